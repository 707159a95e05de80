package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const updatesText = `One address comes to, then goes from, those that the kernel holds; one line of the table for each way to do
it. Picket sends one netlink message batch over a socket that it keeps; the others are programs that are started for each
change, which is how an agent uses them: the time is theirs from start to end. ` + "`nft -f`" + ` changes the same table
that Picket does, ` + "`ipset`" + ` a hash:ip set, iptables has one rule for each address. The last column and the chart
take the mean of the two medians.`

// runUpdates compares at each size, the largest last.
func runUpdates(_ context.Context, s scale) (part, error) {
	p := part{text: updatesText, heads: []string{"by", "addresses", "changes", "p50, comes", "p50, goes", "p99", "/ Picket's"}}
	p.chart = &chart{file: "updates.svg", title: "One pod of many changes, p50", x: "addresses in the kernel"}
	for _, r := range rivals {
		p.chart.lines = append(p.chart.lines, line{name: r.name})
	}
	for _, n := range s.elements {
		if err := p.updates(s, n); err != nil {
			return p, fmt.Errorf("%d addresses: %w", n, err)
		}
	}
	return p, nil
}

// updates adds the rows of one size.
func (p *part) updates(s scale, n int) error {
	list, err := openRivals()
	if err != nil {
		return err
	}
	defer closeRivals(list)
	var turns []turn
	for _, r := range list {
		if _, err := r.load(numbered(n)); err != nil {
			return err
		}
		turns = append(turns, changes(r))
	}
	all, err := alternate(s.rounds, s.limit, turns)
	if err != nil {
		return err
	}
	p.compare(n, all)
	if n == largest(s.elements) {
		p.targets = updateTargets(n, all)
	}
	return nil
}

// compare adds a row for each rival.
func (p *part) compare(n int, all []samples) {
	for i, took := range all {
		comes, goes := halves(took)
		p.row(rivals[i].name, count(n), count(len(took)), short(comes.median()), short(goes.median()), short(took.at(0.99)), times(ratio(took, all[0])))
		p.chart.lines[i].add(n, int(typical(took)))
	}
}

func updateTargets(n int, all []samples) []target {
	again := ratio(all[len(all)-1], all[0])
	targets := []target{
		timeTarget("commit at "+count(n)+" addresses, p50", 30*time.Microsecond, all[0].median(), again),
		timeTarget("commit at "+count(n)+" addresses, p99", 200*time.Microsecond, all[0].at(0.99), again),
	}
	for i, r := range rivals[1 : len(rivals)-1] {
		targets = append(targets, ratioTarget("Picket / "+r.name, 1, ratio(all[0], all[i+1]), again))
	}
	return targets
}

// halves takes the changes apart: an address comes, then goes. For many programs one of the two is far dearer, so that
// the median of both would be either.
func halves(changes samples) (comes, goes samples) {
	for i, took := range changes {
		if i%2 == 0 {
			comes = append(comes, took)
		} else {
			goes = append(goes, took)
		}
	}
	return comes, goes
}

// typical is the mean of the medians of both halves.
func typical(changes samples) time.Duration {
	comes, goes := halves(changes)
	return (comes.median() + goes.median()) / 2
}

func ratio(a, b samples) float64 { return float64(typical(a)) / float64(typical(b)) }

// changes is a turn: Picket's has more of them, since a 99th percentile needs many.
func changes(r rival) turn {
	pairs := 1
	if _, own := r.(*picket); own {
		pairs = 20
	}
	return func() (samples, error) {
		var all samples
		for i := range 2 * pairs {
			took, err := r.change(i%2 == 0, netip.AddrFrom4([4]byte{10, 255, 0, 1}))
			if err != nil {
				return nil, err
			}
			all = append(all, took)
		}
		return all, nil
	}
}

func openRivals() ([]rival, error) {
	var list []rival
	for _, r := range rivals {
		one, err := r.make()
		if err != nil {
			closeRivals(list)
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		list = append(list, one)
	}
	return list, nil
}

func closeRivals(list []rival) {
	var errs []error
	for _, r := range list {
		errs = append(errs, r.close())
	}
	_ = errors.Join(errs...) // their namespaces end with the process anyhow
}
