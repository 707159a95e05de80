package report

import (
	"net/netip"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// answers are sets of what is let through, and of what of that audited policies would deny.
type answers struct{ lets, audited []bits }

// newAnswers makes so many sets of numbers below a limit.
func newAnswers(n, limit int) answers {
	var a answers
	for range n {
		a.lets, a.audited = append(a.lets, newBits(limit)), append(a.audited, newBits(limit))
	}
	return a
}

// note adds a number to a set.
func (a answers) note(at, number int, x answer) {
	if x != denied {
		a.lets[at].set(number)
	}
	if x == audited {
		a.audited[at].set(number)
	}
}

// answer is what a direction does to all flows from a unit to a goal.
type answer uint8

const (
	denied answer = iota
	allowed
	audited // allowed, and audited policies would deny one of the flows
)

// askAll asks the programs about every group and every target, in both directions. Of pairs that
// are decided alike it asks about one.
func (b *builder) askAll() {
	// A row for each sender: which ports its egress lets it reach.
	b.out = newAnswers(len(b.units), len(b.goals))
	b.decide(ruleset.Egress, func(unit, goal int, x answer) { b.out.note(unit, goal, x) })
	for i := range b.units {
		g := &b.data.Groups[i]
		g.Out, g.OutAudited = b.rows.addBits(b.out.lets[i]), b.rows.addBits(b.out.audited[i])
	}
	// A row for each port: whom the ingress of its pods lets in.
	b.in = newAnswers(len(b.goals), len(b.units))
	b.decide(ruleset.Ingress, func(unit, goal int, x answer) { b.in.note(goal, unit, x) })
	for j := range b.goals {
		t := &b.data.Targets[j]
		t.In, t.InAudited = b.rows.addBits(b.in.lets[j]), b.rows.addBits(b.in.audited[j])
	}
}

// decide hands over what a direction does to every unit and goal.
func (b *builder) decide(d ruleset.Direction, each func(unit, goal int, x answer)) {
	subject := func(p ask.Pod) string { return b.cluster.SubjectKey(p, d) }
	units, goals := b.classify(subject, b.cluster.PeerKey)
	if d == ruleset.Ingress {
		units, goals = b.classify(b.cluster.PeerKey, subject)
	}
	of := b.ofClasses(d, units, goals)
	for i, x := range units.of {
		for j, y := range goals.of {
			each(i, j, of[x][y])
		}
	}
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

// ofClasses asks about one unit and one goal of each two classes, of different pods if there are
// such.
func (b *builder) ofClasses(d ruleset.Direction, units, goals classes) [][]answer {
	all := make([][]answer, len(units.first))
	for x, senders := range units.first {
		all[x] = make([]answer, len(goals.first))
		for y, receivers := range goals.first {
			from, to := senders[0], receivers[0]
			// What a pod sends to itself says nothing of others that are like it.
			if b.goals[to].unit == from {
				to = receivers[1]
			}
			if b.goals[to].unit == from {
				from = senders[1]
			}
			all[x][y] = b.ask(d, from, to)
		}
	}
	return all
}

// ask asks whether a direction lets a group reach a target, in every IP family that both have.
func (b *builder) ask(d ruleset.Direction, from, to int) answer {
	g := b.goals[to]
	flows := ask.Flows(b.units[from].addrs, b.receiver(from, g.unit), g.port)
	// Two ends without a family in common have no flow, and nothing is open.
	if len(flows) == 0 {
		return denied
	}
	best := allowed
	for _, f := range flows {
		switch h := b.cluster.Decide(d, f); {
		case h.Denied():
			return denied
		case h.Decision.Audited:
			best = audited
		}
	}
	return best
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
		if c.audited {
			e.Audited++
		}
	})
	for _, e := range edges {
		if e.Pairs > 0 {
			b.data.Edges = append(b.data.Edges, e)
		}
	}
}

// tally counts pairs of pods, over all ports that the grid shows.
type tally struct {
	open, pairs int
	audited     bool // audited policies would deny some of those that are open
}

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
			if b.out.lets[i].has(j) && b.in.lets[j].has(i) {
				c.open += n
				c.audited = c.audited || n > 0 && (b.out.audited[i].has(j) || b.in.audited[j].has(i))
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
