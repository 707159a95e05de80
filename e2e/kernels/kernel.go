package main

import (
	"fmt"
	"slices"
	"strings"
)

// kernel is one that Debian has a package of.
type kernel struct {
	name  string // by which people ask for it: "6.1"
	suite string // of Debian that has the newest package of it
	nft   string // suite of the release's nft program
	// prefix of the package's version; the newest package that has it is taken. The packages
	// for clouds and of real-time kernels are left out: they have no SCTP, or another scheduler.
	prefix string
	who    string // has it
}

// kernels are those that are tried, the oldest first.
var kernels = []kernel{
	{"5.10", "bullseye-security", "bullseye", "5.10.", "Debian 11, Android, boards"},
	{"6.1", "bookworm", "bookworm", "6.1.", "Debian 12, Amazon Linux 2023"},
	{"6.12", "trixie", "trixie", "6.12.", "Debian 13, RHEL 10"},
	{"newest", "trixie-backports", "trixie", "", "Debian's newest"},
}

// kernelsNamed returns the kernels of a list of names with commas; an empty list is all of them.
func kernelsNamed(list string) ([]kernel, error) {
	if list == "" {
		return kernels, nil
	}
	var named []kernel
	for name := range strings.SplitSeq(list, ",") {
		at := slices.IndexFunc(kernels, func(k kernel) bool { return k.name == name })
		if at < 0 {
			return nil, fmt.Errorf("kernel %q: expected one of %s", name, strings.Join(names(), ", "))
		}
		named = append(named, kernels[at])
	}
	return named, nil
}

// names lists what the kernels are called.
func names() (list []string) {
	for _, k := range kernels {
		list = append(list, k.name)
	}
	return list
}
