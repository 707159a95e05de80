//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
)

// Values of --backend.
const (
	autoBackend     = "auto"
	nftablesBackend = "nftables"
	iptablesBackend = "iptables"
)

// backend is the kernel's side of the agent: what holds the rules.
type backend interface {
	controller.Firewall
	controller.Cutter
	controller.Guard
	controller.FeatureLister
	Close() error
}

// choice is the backend of an agent.
type choice struct {
	backend
	name, why  string
	beside     func(netns int) looker        // makes what reads the kernel beside the loop
	counter    func(netns int) drops.Counter // makes what reads the counters, beside both
	flowtables controller.FlowtableLister    // nil: nothing passes by its rules
	separator  controller.Separator
	// removeOther removes what the other backend has left; it is for when the rules are in force.
	removeOther func(context.Context) (removed bool, err error)
}

// validateBackend checks a value of --backend.
func validateBackend(name string) error {
	if !slices.Contains([]string{autoBackend, nftablesBackend, iptablesBackend}, name) {
		return fmt.Errorf("--backend: %q; expected auto, nftables or iptables", name)
	}
	return nil
}

// chooseBackend returns the one of --backend. With auto it is iptables only where the kernel has no
// nf_tables, and has what iptables needs: a moment in which the kernel can't be asked is no reason.
func (o *agentOptions) chooseBackend(ctx context.Context) choice {
	if o.backend == iptablesBackend {
		version, lack := iptables.Open(iptables.Options{}).Probe(ctx)
		why := "--backend says so"
		if lack != nil {
			return iptablesChoice(fmt.Sprintf("%s; it lacks something: %v", why, lack))
		}
		return iptablesChoice(why + "; iptables " + version)
	}
	var features *nft.Features // what could not be found out now, the backend tries again
	probe := o.probe
	if probe == nil {
		probe = nft.Probe
	}
	found, err := probe(0)
	if err == nil {
		features = &found
	}
	switch {
	case o.backend == nftablesBackend:
		return o.nftables("--backend says so", features)
	case !errors.Is(err, nft.ErrNoNfTables):
		return o.nftables("the kernel has nf_tables", features)
	}
	version, lack := iptables.Open(iptables.Options{}).Probe(ctx)
	if lack != nil {
		return o.nftables(fmt.Sprintf("%v; iptables does not do either: %v", err, lack), nil)
	}
	return iptablesChoice(err.Error() + "; iptables " + version)
}

// nftables is the backend of nf_tables.
func (o *agentOptions) nftables(why string, features *nft.Features) choice {
	b := nft.Open(nft.Options{NoOwner: !o.own, Features: features, Probe: o.probe})
	look := func(netns int) nftLooker {
		return nftLooker{nft.Open(nft.Options{Look: true, NetNS: netns, Features: features})}
	}
	beside := func(netns int) looker { return look(netns) }
	counter := func(netns int) drops.Counter { return nftCounter(look(netns)) }
	return choice{b, nftablesBackend, why, beside, counter, b, b, cleanupIPTables}
}

// iptablesChoice is the backend of legacy iptables and ipset.
func iptablesChoice(why string) choice {
	lock := &nft.Lock{} // the process has it until it ends
	b := iptables.Open(iptables.Options{Claim: func() error {
		err := lock.Take()
		if errors.Is(err, nft.ErrHeld) {
			return errors.New("the rules are in the hands of another agent; one a node may run")
		}
		return err
	}})
	beside := func(netns int) looker { return b.Beside(netns) }
	return choice{b, iptablesBackend, why, beside, iptablesCounter, nil, b,
		func(context.Context) (bool, error) { return cleanupNFTables(lock) }}
}

// inForce returns what is called when all rules are in force, until it succeeds: what the other
// backend has left can go from then on, so that no packet is decided about by neither of them.
func (c choice) inForce(log *slog.Logger) func(context.Context) error {
	endStart := sync.OnceFunc(limitMemory)
	return func(ctx context.Context) error {
		defer endStart()
		removed, err := c.removeOther(ctx)
		if removed {
			log.Info("removed the rules of the backend before", "backend", c.name)
		}
		return err
	}
}

// cleanupNFTables removes the tables of nftables, if there are any. lock is the process's own, if
// it has one.
func cleanupNFTables(lock *nft.Lock) (removed bool, err error) {
	b := nft.Open(nft.Options{Lock: lock})
	removed, err = b.Cleanup()
	if errors.Is(err, nft.ErrNoNfTables) {
		return false, b.Close()
	}
	return removed, errors.Join(err, b.Close())
}

// cleanupIPTables removes the chains and sets of iptables, if there are any. Without the programs
// there is no way to, and where there are any that is an error.
func cleanupIPTables(ctx context.Context) (removed bool, err error) {
	b := iptables.Open(iptables.Options{})
	if iptables.Installed() {
		return b.Cleanup(ctx)
	}
	left, err := b.Left()
	if left {
		err = errors.New("ipsets of Picket are in this kernel, and what removes them and their rules is " +
			"not here (the programs iptables-legacy and ipset, and the module iptable_mangle); run " +
			"cleanup where it is, as in the image picket-iptables")
	}
	return false, err
}
