package compile

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"

	"github.com/picket-project/picket/ruleset"
)

// Need is how much of a node's kernel some policies need, at most.
type Need struct {
	Members int // of sets: for each selector, all pods that have the label which it demands first
	Sets    int
	Rules   int // of chains, and ports that are looked up
	Longest int // rules that a packet meets one after the other
}

// Budgets bound what policies may need. A policy beyond them isolates its pods and
// allows nothing. Which policy that is depends on what there is now alone, never on
// what came first.
type Budgets struct {
	Pod       Need // for all policies that select one pod, in one direction
	Namespace Need // for all pods of one namespace on the node
	Node      Need
	MinPods   int // a selector counts for at least this many pods
}

// DefaultBudgets are generous: a set of all pods of a cluster of 100,000 with both
// families fits into a pod's budget twice, and a million members of sets fit into the
// memory of an agent.
func DefaultBudgets() Budgets {
	return Budgets{
		Pod:       Need{Members: 1 << 19, Sets: 1 << 13, Rules: 1 << 18, Longest: 1 << 10},
		Namespace: Need{Members: 1 << 19, Sets: 1 << 13, Rules: 1 << 19, Longest: 1 << 10},
		Node:      Need{Members: 1 << 20, Sets: 1 << 14, Rules: 1 << 20, Longest: 1 << 10},
		MinPods:   16,
	}
}

// Within returns the budgets on a node whose backend holds programs in this form: a namespace can take
// half of its rules, the policies of one pod a quarter.
func (b Budgets) Within(f ruleset.Form) Budgets {
	if f.MostRules > 0 {
		b.Node.Rules = min(b.Node.Rules, f.MostRules)
		b.Namespace.Rules = min(b.Namespace.Rules, f.MostRules/2)
		b.Pod.Rules = min(b.Pod.Rules, f.MostRules/4)
	}
	return b
}

// maxPieces bounds the work of looking ports up: how often a peer stands at a port, or
// at a range of ports.
const maxPieces = 1 << 19

// Round rounds a number of pods up, by an eighth at most, so that what depends on it
// seldom changes.
func (b Budgets) Round(pods int) int {
	if pods <= b.MinPods {
		return b.MinPods
	}
	step := 1 << max(0, bits.Len(uint(pods))-4)
	return (pods + step - 1) / step * step
}

// add returns what two needs are together. A packet meets the rules of only one of
// them.
func (n Need) add(o Need) Need {
	return Need{
		n.Members + o.Members, n.Sets + o.Sets, n.Rules + o.Rules, max(n.Longest, o.Longest),
	}
}

// within reports whether a need fits into a budget, in each of its parts.
func (n Need) within(b Need) bool {
	return n.Members <= b.Members && n.Sets <= b.Sets &&
		n.Rules <= b.Rules && n.Longest <= b.Longest
}

// Compare orders needs by how much they are in all.
func (n Need) Compare(o Need) int { return cmp.Compare(n.weight(), o.weight()) }

// weight is a need as one number: a set counts as much as 16 members, a rule as 4.
func (n Need) weight() int { return n.Members + 16*n.Sets + 4*n.Rules }

// String says what fits into a budget, in the words of a Problem.
func (n Need) String() string {
	return fmt.Sprintf("%d members of sets, %d sets, %d rules and ports",
		n.Members, n.Sets, n.Rules)
}

// need returns what a set needs.
func (s *SetSource) need(count PodCount) Need {
	n := Need{Sets: 1, Members: len(s.Ranges)}
	for _, selector := range s.Selectors {
		for _, d := range selector.Demands() {
			n.Members += count(d)
		}
	}
	return n
}

// rulesOf returns how many rules of a backend some steps become.
func rulesOf(steps []ruleset.Step, f ruleset.Form) (sum int) {
	for _, s := range steps {
		if r, is := s.(ruleset.Rule); is {
			sum += len(f.Split(r.Ports))
		} else {
			sum++
		}
	}
	return sum
}

// need returns what the chain in the making needs, with its sets and the chains that it
// leads to.
func (b *builder) need(form Form) Need {
	if b.tooLarge {
		return Need{Rules: math.MaxInt32}
	}
	count, rules := form.RoundedCount(), rulesOf(b.steps, form.Form)
	n := Need{Sets: len(b.ranges), Rules: rules + len(b.jumps), Longest: rules}
	for i := range b.ranges {
		n.Rules += len(b.ranges[i].Jumps)
	}
	for _, c := range b.shared {
		n.Rules += rulesOf(c.Steps, form.Form)
	}
	for i := range b.sources {
		n = n.add(b.sources[i].need(count))
	}
	return n
}
