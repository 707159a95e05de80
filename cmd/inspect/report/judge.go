package report

import (
	"net/netip"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// judge asks the programs about every group and every target, in both directions. Of pairs that
// are judged alike it asks about one.
func (b *builder) judge() {
	senders, receivers := b.senders()
	out := b.decide(ruleset.Egress, senders, receivers)
	// A row for each sender: which ports its egress lets it reach.
	for i, class := range senders.of {
		row := newBits(len(b.goals))
		for j := range b.goals {
			if out[class][receivers.of[j]] {
				row.set(j)
			}
		}
		b.out = append(b.out, row)
		b.data.Groups[i].Out = b.rows.addBits(row)
	}
	senders, receivers = b.receivers()
	in := b.decide(ruleset.Ingress, senders, receivers)
	// A row for each port: whom the ingress of its pods lets in.
	for j, class := range receivers.of {
		row := newBits(len(b.units))
		for i := range b.units {
			if in[senders.of[i]][class] {
				row.set(i)
			}
		}
		b.in = append(b.in, row)
		b.data.Targets[j].In = b.rows.addBits(row)
	}
}

// senders sorts units and goals by what the egress of the units makes of them.
func (b *builder) senders() (units, goals classes) {
	return b.classify(
		func(p ask.Pod) string { return b.cluster.SubjectKey(p, ruleset.Egress) }, b.cluster.PeerKey)
}

// receivers sorts units and goals by what the ingress of the goals' pods makes of them.
func (b *builder) receivers() (units, goals classes) {
	return b.classify(b.cluster.PeerKey,
		func(p ask.Pod) string { return b.cluster.SubjectKey(p, ruleset.Ingress) })
}

// classify sorts units and goals by texts that are the same for pods which are alike.
func (b *builder) classify(from, to func(ask.Pod) string) (units, goals classes) {
	byUnit := newTable()
	for i, u := range b.units {
		units.add(byUnit.add(keyOf(u, from)), i)
	}
	keys, byGoal := make([]string, len(b.units)), newTable()
	for i, u := range b.units {
		keys[i] = keyOf(u, to)
	}
	for j, g := range b.goals {
		goals.add(byGoal.add(g.port.String()+" "+keys[g.unit]), j)
	}
	return units, goals
}

// keyOf is the text of a unit; the internet is like nobody.
func keyOf(u unit, of func(ask.Pod) string) string {
	if len(u.pods) == 0 {
		return ask.Internet
	}
	return of(u.pods[0])
}

// classes sorts numbers into classes, which are numbered from 0.
type classes struct {
	of []int
	// The first two members of each class; twice the same where it has one.
	first [][2]int
}

// add adds the next number to its class.
func (c *classes) add(class, member int) {
	c.of = append(c.of, class)
	if class == len(c.first) {
		c.first = append(c.first, [2]int{member, member})
	} else if c.first[class][0] == c.first[class][1] {
		c.first[class][1] = member
	}
}

// decide asks about one unit and one goal of each two classes, of different pods if there are such.
func (b *builder) decide(d ruleset.Direction, units, goals classes) [][]bool {
	all := make([][]bool, len(units.first))
	for x, senders := range units.first {
		all[x] = make([]bool, len(goals.first))
		for y, receivers := range goals.first {
			from, to := senders[0], receivers[0]
			// What a pod sends to itself says nothing of others that are like it.
			if b.goals[to].unit == from {
				to = receivers[1]
			}
			if b.goals[to].unit == from {
				from = senders[1]
			}
			all[x][y] = b.lets(d, from, to)
		}
	}
	return all
}

// lets reports whether a direction lets a group reach a target, in every IP family that both have.
func (b *builder) lets(d ruleset.Direction, from, to int) bool {
	g := b.goals[to]
	flows := ask.Flows(b.units[from].addrs, b.receiver(from, g.unit), g.port)
	for _, f := range flows {
		if b.cluster.Judge(d, f).Denied() {
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
	b.countPairs(func(from, to int, c tally) {
		// One pod has no pair with itself.
		if c.pairs == 0 {
			return
		}
		from, to = b.data.Workloads[from].Space, b.data.Workloads[to].Space
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
	})
	for _, e := range edges {
		if e.Pairs > 0 {
			b.data.Edges = append(b.data.Edges, e)
		}
	}
}

// tally counts pairs of pods, over all ports that the grid shows.
type tally struct{ open, pairs int }

// countPairs counts them from every workload to each other.
func (b *builder) countPairs(each func(from, to int, c tally)) {
	all := make([]tally, len(b.data.Workloads))
	for i, from := range b.data.Groups {
		for j, t := range b.data.Targets {
			// What the grid does not show does not count here either.
			if t.Extra {
				continue
			}
			c, n := &all[b.data.Groups[t.Group].Workload], b.pairs(i, t.Group)
			c.pairs += n
			if b.out[i].has(j) && b.in[j].has(i) {
				c.open += n
			}
		}
		// The groups of a workload come one after the other.
		if i+1 < len(b.data.Groups) && b.data.Groups[i+1].Workload == from.Workload {
			continue
		}
		for to, c := range all {
			each(from.Workload, to, c)
		}
		clear(all)
	}
}
