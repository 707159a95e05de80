//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	old, unlisted := legacyChains(ctx, legacyFamilies())
	add(engines.Chain, old)
	lacks = append(lacks, unlisted...)
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

// legacy is one family of legacy iptables: the program that lists its chains, and the file in which
// the kernel names its tables.
type legacy struct{ save, tables string }

// legacyFamilies are both; the files are those of the calling thread's network namespace.
func legacyFamilies() []legacy {
	return []legacy{
		{"iptables-legacy-save", "/proc/thread-self/net/ip_tables_names"},
		{"ip6tables-legacy-save", "/proc/thread-self/net/ip6_tables_names"},
	}
}

// legacyChains lists the chains of legacy iptables, and what could not be listed of them.
func legacyChains(ctx context.Context, families []legacy) (names, lacks []string) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for _, f := range families {
		out, err := exec.CommandContext(ctx, f.save).Output()
		// One family can be there without the other.
		if err != nil {
			lacks = append(lacks, f.lacks(err)...)
			continue
		}
		// A line with a colon declares a chain.
		for line := range strings.Lines(string(out)) {
			if head, is := strings.CutPrefix(line, ":"); is {
				name, _, _ := strings.Cut(head, " ")
				names = append(names, name)
			}
		}
	}
	return names, lacks
}

// lacks says what is not known after an error: nothing, if there are no tables for a program that is
// not installed. The agent's image has none of them.
func (l legacy) lacks(err error) []string {
	if !errors.Is(err, exec.ErrNotFound) {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			err = fmt.Errorf("%w: %.200s", err, strings.TrimSpace(string(ended.Stderr)))
		}
		return []string{fmt.Sprintf("%s: %v", l.save, err)}
	}
	// There is no such file before the first table.
	tables, err := os.ReadFile(l.tables)
	names := strings.Fields(string(tables))
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return []string{err.Error()}
	case len(names) == 0:
		return nil
	}
	return []string{fmt.Sprintf("there are tables of legacy iptables (%s), and %s is not installed, "+
		"which lists their chains", strings.Join(names, ", "), l.save)}
}
