package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where a run took place.
type machine struct {
	processor string
	cores     int
	memory    uint64 // bytes
	kernel    string
	compiler  string
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores of %s, %d GiB, Linux %s, %s", m.cores, m.processor, m.memory>>30,
		m.kernel, m.compiler)
}

func thisMachine() machine {
	m := machine{processor: processor(), cores: runtime.NumCPU(), compiler: runtime.Version()}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.kernel = unix.ByteSliceToString(name.Release[:])
	}
	return m
}

// processor is what the first core calls itself.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found &&
			strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// load is how many processes have wanted to run of late, on average: over one minute.
func load() float64 {
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info) // fails for a wrong argument only
	return float64(info.Loads[0]) / (1 << unix.SI_LOAD_SHIFT)
}
