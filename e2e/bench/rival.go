package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// rival is a way to hold the addresses of pods in the kernel. Each has a network namespace of its own.
type rival interface {
	// load gives all of them to a kernel from which what it had is taken before; its time is that of the giving.
	load([]netip.Addr) (time.Duration, error)
	// change adds or removes one.
	change(add bool, a netip.Addr) (time.Duration, error)
	close() error
}

// rivals are the names of all, in the order of tables and turns; Picket comes twice.
var rivals = []struct {
	name string
	make func() (rival, error)
}{
	{picketName, newPicket},
	{"`nft -f`", func() (rival, error) { return newProgram(nftWords) }},
	{"`ipset restore`", func() (rival, error) { return newProgram(ipsetWords) }},
	{"`iptables-legacy-restore`", func() (rival, error) { return newProgram(iptablesWords("iptables-legacy-restore")) }},
	{"`iptables-nft-restore`", func() (rival, error) { return newProgram(iptablesWords("iptables-nft-restore")) }},
	{"Picket again", newPicket},
}

const picketName = "Picket"

// oneSet is a program of nothing but a set.
func oneSet(addrs []netip.Addr) *ruleset.Program {
	set := ruleset.Set{ID: ruleset.SetID{Family: ruleset.IPv4, Key: "bench"}}
	for _, a := range addrs {
		set.Members = append(set.Members, ruleset.Member{Addr: a})
	}
	return &ruleset.Program{Sets: []ruleset.Set{set}}
}

// numbered returns addresses, sorted.
func numbered(n int) []netip.Addr {
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	return addrs
}

// picket is the product's own backend.
type picket struct {
	ns      sandbox.Netns
	backend *nft.Backend
}

func newPicket() (rival, error) { return openPicket() }

func openPicket() (*picket, error) {
	ns, err := sandbox.NewNetns()
	if err != nil {
		return nil, err
	}
	p := &picket{ns: ns}
	return p, ns.Do(func() (err error) {
		p.backend, err = nft.Open(nft.Options{NoOwner: true})
		return err
	})
}

func (p *picket) apply(d ruleset.Delta) (time.Duration, error) {
	return timed(func() error { return p.backend.Apply(context.Background(), d) })
}

func (p *picket) load(addrs []netip.Addr) (time.Duration, error) {
	if _, err := p.apply(ruleset.Diff(ruleset.Observed{}, &ruleset.Program{})); err != nil {
		return 0, err
	}
	return p.apply(ruleset.Diff(ruleset.Observed{Condition: ruleset.Intact}, oneSet(addrs)))
}

func (p *picket) change(add bool, a netip.Addr) (time.Duration, error) {
	one := []ruleset.Members{{Set: oneSet(nil).Sets[0].ID, Members: []ruleset.Member{{Addr: a}}}}
	if add {
		return p.apply(ruleset.Delta{AddMembers: one})
	}
	return p.apply(ruleset.Delta{DelMembers: one})
}

func (p *picket) close() error {
	_ = p.backend.Close()
	return p.ns.Close()
}

// words are what a program reads to do the same.
type words struct {
	load, change []string // the program with its arguments
	all          func([]netip.Addr) string
	one          func(add bool, a netip.Addr) string
}

// program is a process for each change, as an agent without a netlink library starts it. Its time is that of the
// process from start to end.
type program struct {
	ns sandbox.Netns
	words
}

func newProgram(w words) (rival, error) {
	ns, err := sandbox.NewNetns()
	return &program{ns, w}, err
}

func (p *program) load(addrs []netip.Addr) (time.Duration, error) {
	if _, err := p.run(p.words.load, p.all(nil)); err != nil {
		return 0, err
	}
	return p.run(p.words.load, p.all(addrs))
}

func (p *program) change(add bool, a netip.Addr) (time.Duration, error) {
	return p.run(p.words.change, p.one(add, a))
}

func (p *program) close() error { return p.ns.Close() }

func (p *program) run(args []string, text string) (took time.Duration, err error) {
	err = p.ns.Do(func() (err error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(text)
		var out []byte
		took, err = timed(func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	return took, err
}
