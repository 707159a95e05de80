//go:build linux

package cli

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/inspect/engines"
	"github.com/picket-project/picket/nft"
)

// otherEngines names other programs that enforce policies in a network namespace; 0 is that of the
// calling thread. What cannot be looked at is told in lacks.
func otherEngines(ctx context.Context, fd int) (found, lacks []string) {
	var names []engines.Name
	add := func(kind engines.Kind, texts []string) {
		for _, text := range texts {
			names = append(names, engines.Name{Kind: kind, Text: text})
		}
	}
	// The programs of iptables-nft make chains of nf_tables, which are found here, too.
	tables, chains, err := nft.Names(fd)
	if err != nil {
		lacks = append(lacks, err.Error())
	}
	add(engines.Table, tables)
	add(engines.Chain, chains)
	add(engines.Chain, legacyChains(ctx))
	links, err := interfaces(fd)
	if err != nil {
		lacks = append(lacks, "list interfaces: "+err.Error())
	}
	add(engines.Interface, links)
	return engines.Find(names), lacks
}

// interfaces names those of a network namespace.
func interfaces(fd int) (names []string, err error) {
	// The library has its own value for the calling thread's.
	at := netns.NsHandle(fd)
	if fd == 0 {
		at = netns.None()
	}
	handle, err := netlink.NewHandleAt(at, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	links, err := handle.LinkList()
	for _, l := range links {
		names = append(names, l.Attrs().Name)
	}
	return names, err
}

// legacyChains lists the chains of legacy iptables, where its programs are installed: the agent's
// image has none.
func legacyChains(ctx context.Context) (names []string) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for _, program := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		out, err := exec.CommandContext(ctx, program).Output()
		// One family can be there without the other.
		if err != nil {
			continue // it is not installed, or this kernel has no legacy tables
		}
		// A line with a colon declares a chain.
		for line := range strings.Lines(string(out)) {
			if head, is := strings.CutPrefix(line, ":"); is {
				name, _, _ := strings.Cut(head, " ")
				names = append(names, name)
			}
		}
	}
	return names
}
