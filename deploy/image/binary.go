package main

import (
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// machines are the architectures that there are images for, as Go calls them. There is none of 32 bits:
// google/nftables does not compile there.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64,
	"s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV}

// check refuses what could not run in the image: a program for something else, or one that needs
// libraries, for there are none.
func check(path, arch string) error {
	want, known := machines[arch]
	if !known {
		return fmt.Errorf("-arch %q; expected one of %s", arch,
			strings.Join(slices.Sorted(maps.Keys(machines)), ", "))
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("-binary %s: %w; expected a program for linux/%s", path, err, arch)
	}
	defer file.Close()
	if file.Machine != want {
		return fmt.Errorf("-binary %s is for %s; expected %s, for -arch %s", path, file.Machine,
			want, arch)
	}
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("-binary %s loads libraries, and the image has none; expected one "+
			"built with CGO_ENABLED=0", path)
	}
	return nil
}
