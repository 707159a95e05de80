package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const updatesText = "One address comes to, then goes from, those that the kernel holds; one line of\n" +
	"the table for each way to do it. Picket sends one netlink message batch over a socket that it\n" +
	"keeps; the others are programs that are started for each change, which is how an agent uses " +
	"them: the time is\n" +
	"theirs from start to end. `nft -f` changes the table of a node as Picket makes it, `ipset` " +
	"a hash:ip\n" +
	"set, iptables has one rule for each address. The last column and the chart take the mean of " +
	"the two\n" +
	"medians. Picket's figures are those of BenchmarkApplyOneMember, which runs in a process of " +
	"its own\n" +
	"for each turn: medians of the medians and of the 99th percentiles of all turns."

const (
	picketName      = "Picket"
	picketAgainName = "Picket again"
)

// runUpdates compares at each size, the largest last.
func runUpdates(ctx context.Context, s scale) (part, error) {
	p := part{text: updatesText, heads: []string{
		"by", "addresses", "changes", "p50, comes", "p50, goes", "p99", "/ Picket's",
	}}
	p.chart = &chart{
		file: "updates.svg", title: "One pod of many changes, p50", x: "addresses in the kernel",
	}
	for _, n := range s.elements {
		if err := p.updates(ctx, s, n); err != nil {
			return p, fmt.Errorf("%d addresses: %w", n, err)
		}
	}
	return p, nil
}

// updates adds the rows of one size.
func (p *part) updates(ctx context.Context, s scale, n int) error {
	all, turns, end, err := updaters(ctx, s, n)
	defer end()
	if err != nil {
		return err
	}
	if _, err := alternate(s.rounds, s.limit, turns); err != nil {
		return err
	}
	for i, u := range all {
		if len(p.chart.lines) < len(all) {
			p.chart.lines = append(p.chart.lines, line{name: u.name})
		}
		p.row(u.name, count(n), count(u.count), short(u.added.median()), short(u.deleted.median()),
			short(u.slowest()), times(u.over(all[0])))
		p.chart.lines[i].add(n, int(u.typical()))
	}
	if n == largest(s.elements) {
		p.targets = updateTargets(n, all)
	}
	return nil
}

// updater is one way to change an address, with the times that it took.
type updater struct {
	name           string
	count          int
	added, deleted samples
	p99            samples // of each turn; empty: added and deleted are all changes
}

// updaters are Picket, all programs and Picket again, and their turns. Each holds n addresses.
func updaters(
	ctx context.Context, s scale, n int,
) (all []*updater, turns []turn, end func(), err error) {
	var kernels []*kernel
	end = func() {
		for _, k := range kernels {
			k.close()
		}
	}
	add := func(u *updater, t turn) { all, turns = append(all, u), append(turns, t) }
	first, last := &updater{name: picketName}, &updater{name: picketAgainName}
	add(first, first.ofPicket(ctx, s, n))
	empty, err := renderEmpty(ctx)
	if err != nil {
		return nil, nil, end, err
	}
	for _, p := range addressPrograms(empty) {
		k, err := newKernel(p.addressProgram)
		if err == nil {
			kernels = append(kernels, k)
			_, err = k.fill(numbered(n))
		}
		if err != nil {
			return nil, nil, end, fmt.Errorf("%s: %w", p.name, err)
		}
		u := &updater{name: p.name}
		add(u, u.of(k))
	}
	add(last, last.ofPicket(ctx, s, n))
	return all, turns, end, nil
}

// ofPicket is a turn of the Go benchmark: an address is added and deleted 100 times.
func (u *updater) ofPicket(ctx context.Context, s scale, n int) turn {
	const pairs = 100
	name := fmt.Sprintf("ApplyOneMember/addresses=%d", n)
	pattern := fmt.Sprintf("^BenchmarkApplyOneMember$/^addresses=%d$", n)
	return func() (samples, error) {
		var f goFigures
		took, err := timed(func() error {
			return s.benchmarks.run(ctx, goBenchmark{nftPackage, pattern, pairs, s.short}, &f)
		})
		u.count += 2 * f.iterations(name)
		u.added = append(u.added, f.times(name, "add-ns")...)
		u.deleted = append(u.deleted, f.times(name, "delete-ns")...)
		u.p99 = append(u.p99, f.times(name, "p99-ns")...)
		return samples{took}, err
	}
}

// of is a turn of a program: an address is added and deleted.
func (u *updater) of(k *kernel) turn {
	one := netip.AddrFrom4([4]byte{10, 255, 0, 1})
	return func() (samples, error) {
		added, err := k.update(true, one)
		if err != nil {
			return nil, err
		}
		deleted, err := k.update(false, one)
		u.count += 2
		u.added, u.deleted = append(u.added, added), append(u.deleted, deleted)
		return samples{added, deleted}, err
	}
}

// slowest is the 99th percentile.
func (u *updater) slowest() time.Duration {
	if len(u.p99) > 0 {
		return u.p99.median()
	}
	return samples(slices.Concat(u.added, u.deleted)).at(0.99)
}

// typical is the mean of both medians. For many programs an address that comes costs far less than
// one that goes, so that the median of both would be either.
func (u *updater) typical() time.Duration { return (u.added.median() + u.deleted.median()) / 2 }

func (u *updater) over(other *updater) float64 {
	return float64(u.typical()) / float64(other.typical())
}

func updateTargets(n int, all []*updater) []target {
	ours, last := all[0], len(all)-1
	again := all[last].over(ours)
	what := "commit at " + count(n) + " addresses, "
	targets := []target{
		timeTarget(what+"p50", 30*time.Microsecond, ours.typical(), again),
		timeTarget(what+"p99", 200*time.Microsecond, ours.slowest(), again),
	}
	for _, u := range all[1:last] {
		targets = append(targets, ratioTarget("Picket / "+u.name, 1, ours.over(u), again))
	}
	return targets
}
