package report

import (
	"net/netip"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// judge asks the programs about every group and every target, in both directions.
func (b *builder) judge() {
	// A row for each sender: which ports its egress lets it reach.
	for i := range b.units {
		out := newBits(len(b.goals))
		for j := range b.goals {
			if b.lets(ruleset.Egress, i, j) {
				out.set(j)
			}
		}
		b.out = append(b.out, out)
		b.data.Groups[i].Out = b.rows.addBits(out)
	}
	// A row for each port: whom the ingress of its pods lets in.
	for j := range b.goals {
		in := newBits(len(b.units))
		for i := range b.units {
			if b.lets(ruleset.Ingress, i, j) {
				in.set(i)
			}
		}
		b.in = append(b.in, in)
		b.data.Targets[j].In = b.rows.addBits(in)
	}
}

// lets reports whether a direction lets a group reach a target, in every IP family that both have.
func (b *builder) lets(d ruleset.Direction, from, to int) bool {
	g := b.goals[to]
	flows := ask.Flows(b.units[from].addrs, b.receiver(from, g.unit), g.port)
	for _, f := range flows {
		if b.cluster.Decide(d, f).Denied() {
			return false
		}
	}
	// Two ends without a family in common have no flow, and nothing is open.
	return len(flows) > 0
}

// receiver returns the addresses of a group as another one sees it. To itself a group is its second
// pod, since what a pod sends to itself is no matter of policies.
func (b *builder) receiver(from, to int) []netip.Addr {
	if u := b.units[to]; from == to && len(u.pods) > 1 {
		return u.pods[1].Addrs
	}
	return b.units[to].addrs
}

// pairs is how many pairs of pods there are from one group to another.
func (b *builder) pairs(from, to int) int {
	own, others := len(b.data.Groups[from].Pods), len(b.data.Groups[to].Pods)
	// The pods of one group send to each other, not to themselves.
	if from == to {
		others--
	}
	return own * others
}

// addEdges counts the open pairs of workloads by namespace.
func (b *builder) addEdges() {
	n := len(b.data.Spaces)
	edges := make([]Edge, n*n)
	for pair, c := range b.countPairs() {
		// One pod has no pair with itself.
		if c.pairs == 0 {
			continue
		}
		from, to := b.data.Workloads[pair[0]].Space, b.data.Workloads[pair[1]].Space
		e := &edges[from*n+to]
		e.From, e.To = from, to
		e.Pairs++
		// A pair of workloads is all open, partly, or not at all.
		switch {
		case c.open == c.pairs:
			e.All++
		case c.open > 0:
			e.Some++
		}
	}
	for _, e := range edges {
		if e.Pairs > 0 {
			b.data.Edges = append(b.data.Edges, e)
		}
	}
}

// tally counts pairs of pods, over all ports that the grid shows.
type tally struct{ open, pairs int }

// countPairs counts them for every pair of workloads.
func (b *builder) countPairs() map[[2]int]tally {
	all := map[[2]int]tally{}
	for i, from := range b.data.Groups {
		for j, t := range b.data.Targets {
			// What the grid does not show does not count here either.
			if t.Extra {
				continue
			}
			key := [2]int{from.Workload, b.data.Groups[t.Group].Workload}
			c, n := all[key], b.pairs(i, t.Group)
			c.pairs += n
			if b.out[i].has(j) && b.in[j].has(i) {
				c.open += n
			}
			all[key] = c
		}
	}
	return all
}
