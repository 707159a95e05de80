package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot/plotter"
)

const decisionText = `Two pods of one node send to each other over its bridge, with the node's
table in between 16 times, so that what it costs is larger than what else a packet costs.
Conntrack is told not to know the packets: each is new to the table. The whole table is what a
packet takes more than without any, a sixteenth of it. The client is among the peers of the policy
in the middle; the others have other peers, and either the same port or each its own. Beside it, a
chain a policy, with a set for its peers, that are asked one after the other: by nftables, and by
iptables and ipset as kube-router makes them; both filter ingress alone and look at nothing else.
Picket with one policy is there twice (A/A); ratios are to the mean of both.`

// copies is how many tables amplify a decision.
const copies = 16

// planeCase is rules that packets pass.
type planeCase struct {
	name  string
	loads []ruleLoad
	port  int
	line  int // of the chart; see decisionChart
	l     layout
}

// ours is the rules of Picket for a layout.
func ours(ctx context.Context, l layout) (planeCase, error) {
	ports := "the same port"
	if l.ownPorts {
		ports = "a port each"
	}
	table, err := l.picketTable(ctx, copies)
	return planeCase{
		name: "Picket, " + l.String() + ", " + ports, loads: []ruleLoad{table},
		port: l.port(l.middle()), l: l,
	}, err
}

func chained(l layout) planeCase {
	return planeCase{
		name: iptablesName + ", " + l.String(), loads: l.chained(copies),
		port: l.port(l.middle()), line: 1, l: l,
	}
}

func jumping(l layout) planeCase {
	return planeCase{
		name: nftablesName + ", " + l.String(), loads: l.jumping(copies),
		port: l.port(l.middle()), line: 2, l: l,
	}
}

const (
	iptablesName = "a chain a policy, iptables and ipset"
	nftablesName = "a chain a policy, nftables"
)

// Places of cases that targets speak of.
const (
	oneOfTen = iota + 4
	oneOfThousands
	thousandOnePort
	thousandPorts
)

// decisionCases begin with no rules and with nobody isolated, and end with Picket's first decision
// again.
func decisionCases(ctx context.Context) ([]planeCase, error) {
	empty, err := layout{}.picketTable(ctx, copies)
	if err != nil {
		return nil, err
	}
	cases := []planeCase{
		{name: "no table", port: firstPort},
		{name: "Picket, nobody is isolated", loads: []ruleLoad{empty}, port: firstPort},
		{name: iptablesName + ", nobody is isolated", loads: layout{}.chained(copies),
			port: firstPort, line: 1},
		{name: nftablesName + ", nobody is isolated", loads: layout{}.jumping(copies),
			port: firstPort, line: 2},
	}
	for _, l := range []layout{
		{pods: 10, policies: 1},
		{pods: 10_000, policies: 1},
		{pods: 1000, policies: 1000},
		{pods: 1000, policies: 1000, ownPorts: true},
		{pods: 10, policies: 10, ownPorts: true},
		{pods: 1000, policies: 100, ownPorts: true},
	} {
		c, err := ours(ctx, l)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	others := []layout{{pods: 10, policies: 1}, {pods: 10, policies: 10},
		{pods: 1000, policies: 100}}
	for _, rules := range []func(layout) planeCase{chained, jumping} {
		for _, l := range others {
			cases = append(cases, rules(l))
		}
	}
	again := cases[oneOfTen]
	again.name += ", again"
	return append(cases, again), nil
}

// runDecision measures all cases by turns.
func runDecision(ctx context.Context, s scale) (part, error) {
	p := part{text: decisionText, heads: []string{"rules", "turns", "a packet", "fastest",
		"the whole table", "/ Picket, one policy"}}
	cases, err := decisionCases(ctx)
	if err != nil {
		return p, err
	}
	var turns []turn
	for _, c := range cases {
		plane, err := newDataPlane(c.port, append([]ruleLoad{untracked}, c.loads...))
		if err != nil {
			return p, fmt.Errorf("%s: %w", c.name, err)
		}
		defer plane.Close()
		turns = append(turns, func() (samples, error) { return plane.send(s.packets) })
	}
	all, err := alternate(s.rounds, 2*s.limit/time.Duration(s.packets), turns)
	if err != nil {
		return p, err
	}
	costs := make([]time.Duration, len(all))
	for i, took := range all {
		costs[i] = (took.at(low) - all[0].at(low)) / copies
	}
	last := len(costs) - 1
	over := func(i int) float64 { return costRatio(costs[i], (costs[oneOfTen]+costs[last])/2) }
	for i, took := range all {
		p.row(cases[i].name, fmt.Sprint(len(took)), short(took.median()), short(took.at(0)),
			short(costs[i]), times(over(i)))
	}
	again := costRatio(costs[last], costs[oneOfTen])
	p.targets = []target{
		timeTarget("the whole table, "+cases[oneOfTen].name, 450*time.Nanosecond, costs[oneOfTen],
			again),
		ratioTarget("10,000 pods / 10", 1.2, over(oneOfThousands), again).because(difference),
		ratioTarget("1,000 policies for the same port / 1", 1.2, over(thousandOnePort),
			again).because(difference),
		ratioTarget("1,000 policies for a port each / 1", 1.2, over(thousandPorts),
			again).because(difference),
	}
	p.chart = decisionChart(cases, costs)
	return p, nil
}

// decisionChart draws what the whole table costs over the number of policies.
func decisionChart(cases []planeCase, costs []time.Duration) *chart {
	// by planeCase.line
	lines := []line{{name: "Picket, a port each"}, {name: iptablesName}, {name: nftablesName}}
	for i, c := range cases[1 : len(cases)-1] {
		if c.l.policies > 0 && costs[i+1] > 0 && (c.line > 0 || c.l.ownPorts || i+1 == oneOfTen) {
			lines[c.line].add(c.l.policies, int(costs[i+1]))
		}
	}
	slices.SortFunc(lines[0].points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	return &chart{file: "decision.svg", title: "What the whole table costs a new packet",
		x: "policies for the pod", lines: lines}
}

const difference = "it is a sixteenth of the difference between what two packets take; the A/A says " +
	"how sure that is."

// low is where a quarter of the samples is: others who use the machine only ever add to one.
const low = 0.25

func costRatio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}

const connectText = `Connections and packets of established flows between two pods of one node,
with conntrack alone (one rule that lets pass what it knows), with Picket's table beside it, with
a chain and a set for each policy, and without any rules: 100 policies for the server, the client
among the peers of the one in the middle.`

// runConnect compares new connections and established packets with conntrack alone.
func runConnect(ctx context.Context, s scale) (part, error) {
	p := part{text: connectText, heads: []string{"rules", "connections", "TCP connect p50",
		"/ conntrack", "established packet", "/ conntrack"}}
	l := layout{pods: 1000, policies: 100}
	table, err := l.picketTable(ctx, 1)
	if err != nil {
		return p, err
	}
	cases := []planeCase{
		{name: "conntrack alone", loads: []ruleLoad{tracked}},
		{name: "Picket", loads: []ruleLoad{tracked, table}},
		{name: iptablesName, loads: append(l.chained(1), tracked)},
		{name: nftablesName, loads: append(l.jumping(1), tracked)},
		{name: "no rules"},
		{name: "conntrack alone again", loads: []ruleLoad{tracked}},
	}
	var connects, sends []turn
	for _, c := range cases {
		plane, err := newDataPlane(l.port(l.middle()), c.loads)
		if err == nil {
			err = errors.Join(plane.accept(), plane.answer())
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", c.name, err)
		}
		defer plane.Close()
		connects = append(connects,
			func() (samples, error) { return plane.connect(s.packets / 100) })
		sends = append(sends, func() (samples, error) { return plane.send(s.packets) })
	}
	opened, err := alternate(s.rounds, s.limit, connects)
	if err != nil {
		return p, err
	}
	sent, err := alternate(s.rounds, s.limit/time.Duration(s.packets), sends)
	if err != nil {
		return p, err
	}
	for i, c := range cases {
		p.row(c.name, fmt.Sprint(len(opened[i])), short(opened[i].median()),
			times(opened[i].over(opened[0])), short(sent[i].median()), times(sent[i].over(sent[0])))
	}
	last := len(cases) - 1
	p.targets = []target{
		ratioTarget("TCP connect p50, Picket / conntrack alone", 1.10, opened[1].over(opened[0]),
			opened[last].over(opened[0])),
		ratioTarget("established packet, Picket / conntrack alone", 1.05, sent[1].over(sent[0]),
			sent[last].over(sent[0])),
	}
	return p, nil
}
