package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const backendsText = `What Picket costs on a kernel without nf_tables, where it takes legacy
iptables and ipset, beside what it costs with nftables. A decision and a connection are those of the
sections above. The changes are those of BenchmarkApply of both packages: of one address in a set,
of one isolated pod, and of everything, into an empty kernel, for 100 pods. nftables takes a change
in one transaction; iptables and ipset take steps, most of which are a process. The A/A is of
nftables.`

// runBackends compares both backends.
func runBackends(ctx context.Context, s scale) (part, error) {
	p := part{text: backendsText,
		heads: []string{"what", "nftables", "iptables", "iptables / nftables", "A/A"}}
	for _, add := range []func(context.Context, scale) error{p.backendDecisions,
		p.backendConnections, p.backendChanges} {
		if err := add(ctx, s); err != nil {
			return p, err
		}
	}
	return p, nil
}

// backendRow adds what one thing takes with both.
func (p *part) backendRow(what string, nftables, iptables time.Duration, again float64) {
	p.row(what, short(nftables), short(iptables), times(costRatio(iptables, nftables)),
		times(again))
}

// bothLoads are the rules of a layout, by each backend.
func (l layout) bothLoads(ctx context.Context, copies int) (loads [2][]ruleLoad, err error) {
	table, err := l.picketTable(ctx, copies)
	if err != nil {
		return loads, err
	}
	legacy, err := l.legacyRules(ctx, copies)
	return [2][]ruleLoad{{table}, legacy}, err
}

// backendDecisions measures what the rules add to a packet.
func (p *part) backendDecisions(ctx context.Context, s scale) error {
	layouts := []layout{{}, {pods: 10, policies: 1}, {pods: 1000, policies: 100, ownPorts: true}}
	ports, loads := []int{firstPort}, [][]ruleLoad{nil} // no rules
	for _, l := range layouts {
		both, err := l.bothLoads(ctx, copies)
		if err != nil {
			return err
		}
		port := l.port(l.middle())
		ports, loads = append(ports, port, port), append(loads, both[0], both[1])
	}
	var turns []turn
	for i := range loads {
		plane, err := newDataPlane(ports[i], append([]ruleLoad{untracked}, loads[i]...))
		if err != nil {
			return err
		}
		defer plane.Close()
		turns = append(turns, func() (samples, error) { return plane.send(s.packets) })
	}
	all, err := alternate(s.rounds, s.limit/time.Duration(s.packets), turns)
	if err != nil {
		return err
	}
	cost := func(rules, none samples) time.Duration { return (rules.at(low) - none.at(low)) / copies }
	for i, l := range layouts {
		ours, theirs := all[1+2*i], all[2+2*i]
		what := "a decision, " + l.String()
		if l.policies == 0 {
			what = "a decision, nobody is isolated"
		}
		p.backendRow(what, cost(ours, all[0]), cost(theirs, all[0]),
			costRatio(cost(ours.half(1), all[0].half(1)), cost(ours.half(0), all[0].half(0))))
	}
	return nil
}

// backendConnections measures new connections, and packets of one that is there.
func (p *part) backendConnections(ctx context.Context, s scale) error {
	l := layout{pods: 1000, policies: 100}
	both, err := l.bothLoads(ctx, 1)
	if err != nil {
		return err
	}
	var connects, sends []turn
	for _, loads := range both {
		plane, err := newDataPlane(l.port(l.middle()), append([]ruleLoad{tracked}, loads...))
		if err == nil {
			err = errors.Join(plane.accept(), plane.answer())
		}
		if err != nil {
			return err
		}
		defer plane.Close()
		connects = append(connects,
			func() (samples, error) { return plane.connect(s.packets / 100) })
		sends = append(sends, func() (samples, error) { return plane.send(s.packets) })
	}
	for _, m := range []struct {
		what  string
		turns []turn
		limit time.Duration
	}{{"TCP connect p50, " + l.String(), connects, s.limit},
		{"an established packet", sends, s.limit / time.Duration(s.packets)}} {
		took, err := alternate(s.rounds, m.limit, m.turns)
		if err != nil {
			return err
		}
		p.backendRow(m.what, took[0].median(), took[1].median(), took[0].again())
	}
	return nil
}

// backendChanges runs the Go benchmarks of both packages by turns.
func (p *part) backendChanges(ctx context.Context, s scale) error {
	const applied = "Apply/"
	figures := [2]goFigures{}
	for began := time.Now(); ; {
		for i, pkg := range []string{nftPackage, legacyPackage} {
			b := goBenchmark{pkg, "^BenchmarkApply$", 5, s.short}
			if err := s.benchmarks.run(ctx, b, &figures[i]); err != nil {
				return err
			}
		}
		enough := len(figures[0].of(figures[0].names[0], "times")) > 1 // for an A/A
		if enough && time.Since(began) > s.limit {
			break
		}
	}
	for _, name := range namesBelow(&figures[0], applied) {
		took := figures[0].times(applied+name, "ns/op")
		legacy := figures[1].times(applied+name, "ns/op")
		if len(legacy) == 0 {
			return fmt.Errorf("%s has no benchmark %s%s", legacyPackage, applied, name)
		}
		what, policies, _ := strings.Cut(name, "/")
		p.backendRow(fmt.Sprintf("%s, %s policies", strings.ReplaceAll(what, "-", " "), policies),
			took.median(), legacy.median(), took.again())
	}
	return nil
}
