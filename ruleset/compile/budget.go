package compile

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Need is how much of a node's kernel some policies need, at most.
type Need struct {
	Members int // of sets: all pods that have the label which a selector demands first
	Sets    int
	Rules   int // of chains, and ports that are looked up
	Longest int // rules that a packet meets one after the other
}

// Budgets bound what policies may need; a policy beyond isolates its pods and allows nothing. They depend on what there
// is now alone, never on what came first.
type Budgets struct {
	Pod       Need // for all policies that select one pod, in one direction
	Namespace Need // for all pods of one namespace on the node
	Node      Need
	Least     int // pods that a selector counts for at least
}

// DefaultBudgets are generous: a set of all pods of a cluster of 100,000 with both families has room in every pod's
// twice, and a million members of sets in the memory that an agent may have.
func DefaultBudgets() Budgets {
	return Budgets{
		Pod:       Need{Members: 1 << 19, Sets: 1 << 13, Rules: 1 << 18, Longest: 1 << 10},
		Namespace: Need{Members: 1 << 19, Sets: 1 << 13, Rules: 1 << 19, Longest: 1 << 10},
		Node:      Need{Members: 1 << 20, Sets: 1 << 14, Rules: 1 << 20, Longest: 1 << 10},
		Least:     16,
	}
}

// maxPieces bounds the work of looking ports up: how often a peer stands at a port, or a range of them.
const maxPieces = 1 << 19

func (n Need) add(o Need) Need {
	return Need{n.Members + o.Members, n.Sets + o.Sets, n.Rules + o.Rules, max(n.Longest, o.Longest)}
}

func (n Need) within(b Need) bool {
	return n.Members <= b.Members && n.Sets <= b.Sets && n.Rules <= b.Rules && n.Longest <= b.Longest
}

// Compare orders by how much is needed in all.
func (n Need) Compare(o Need) int { return cmp.Compare(n.weight(), o.weight()) }

func (n Need) weight() int { return n.Members + 16*n.Sets + 4*n.Rules }

// Reach says how many pods meet a demand.
type Reach func(policy.Demand) int

// Roughly rounds a number of pods up, so that what depends on it seldom changes: by an eighth at most.
func (b Budgets) Roughly(pods int) int {
	if pods <= b.Least {
		return b.Least
	}
	step := 1 << max(0, bits.Len(uint(pods))-4)
	return (pods + step - 1) / step * step
}

// need says what the members of a set need.
func (s *SetSource) need(reach Reach) Need {
	n := Need{Sets: 1, Members: len(s.Ranges)}
	for _, selector := range s.Selectors {
		for _, d := range selector.Demands() {
			n.Members += reach(d)
		}
	}
	return n
}

// need says what is needed for what is assembled.
func (a *assembly) need(reach Reach) Need {
	if a.endless {
		return Need{Rules: math.MaxInt32}
	}
	n := Need{Sets: len(a.spans), Rules: len(a.rules) + len(a.jumps), Longest: len(a.rules)}
	for i := range a.spans {
		n.Rules += len(a.spans[i].Jumps)
	}
	for _, c := range a.shared {
		n.Rules += len(c.Rules)
	}
	for i := range a.sources {
		n = n.add(a.sources[i].need(reach))
	}
	return n
}

// Claim is what some pods of one namespace that are judged alike ask for.
type Claim struct {
	Namespace string
	Alike     string           // see Pod.Alike
	Policies  []*policy.Policy // that isolate them
	Left      []*policy.Policy // of these, the ones that allow nothing, since with them it would be too much
	Need      Need             // without those
	Sources   []SetSource
	members   []int // of each source, at most
}

// Weigh says again what a claim needs, while the same policies may allow something.
func (c *Claim) Weigh(reach Reach) {
	sum := Need{Rules: c.Need.Rules, Longest: c.Need.Longest}
	c.members = make([]int, len(c.Sources))
	for i := range c.Sources {
		one := c.Sources[i].need(reach)
		c.members[i], sum = one.Members, sum.add(one)
	}
	c.Need = sum
}

// Fits reports whether all of a claim's policies may allow something, as far as its pods go.
func (c *Claim) Fits(b Budgets) bool { return len(c.Left) == 0 && c.Need.within(b.Pod) }

// EachDemand hands over the demands by which the need of a claim, and what is left, can change.
func (c *Claim) EachDemand(d ruleset.Direction, each func(policy.Demand)) {
	for _, one := range c.Policies {
		for _, rule := range one.Rules[d] {
			for _, selector := range rule.PeerPods() {
				for _, demand := range selector.Demands() {
					each(demand)
				}
			}
		}
	}
}

// Refusals are the claims that are beyond the budgets of a namespace or the node, by their Alike: of those that need
// most as many as it takes. Their pods are isolated and nothing is allowed.
type Refusals map[string]string

// Refuse says which claims are refused, and why.
func (b Budgets) Refuse(claims []Claim) Refusals {
	refused := Refusals{}
	spaces, sums := map[string][]*Claim{}, map[string]Need{}
	var sum Need
	for i := range claims {
		sum = sum.add(claims[i].Need)
	}
	if sum.within(b.Namespace) && sum.within(b.Node) {
		return refused
	}
	for i := range claims {
		c := &claims[i]
		spaces[c.Namespace] = append(spaces[c.Namespace], c)
		sums[c.Namespace] = sums[c.Namespace].add(c.Need)
	}
	names := slices.SortedFunc(maps.Keys(spaces), func(x, y string) int {
		return cmp.Or(sums[x].Compare(sums[y]), strings.Compare(x, y))
	})
	var all []*Claim
	for _, name := range names {
		slices.SortFunc(spaces[name], func(x, y *Claim) int {
			return cmp.Or(x.Need.Compare(y.Need), strings.Compare(x.Alike, y.Alike))
		})
		all = append(all, refused.beyond(b.Namespace, spaces[name], "a namespace")...)
	}
	refused.beyond(b.Node, all, "a node")
	return refused
}

// beyond takes claims in their order as long as there is room, and refuses those for which there is none. A set that
// several speak of counts once.
func (r Refusals) beyond(budget Need, claims []*Claim, of string) (taken []*Claim) {
	var sum Need
	for _, c := range claims {
		sum = sum.add(c.Need)
	}
	if sum.within(budget) {
		return claims
	}
	sum = Need{}
	counted := map[ruleset.SetID]bool{}
	for _, c := range claims {
		with, again := sum.add(c.Need), c.counted(counted)
		with.Sets -= again.Sets
		with.Members -= again.Members
		if !with.within(budget) {
			r[c.Alike] = of
			continue
		}
		sum, taken = with, append(taken, c)
		for i := range c.Sources {
			counted[c.Sources[i].ID] = true
		}
	}
	return taken
}

// counted is what of a claim's need is for sets that are counted already.
func (c *Claim) counted(sets map[ruleset.SetID]bool) (n Need) {
	for i := range c.Sources {
		if sets[c.Sources[i].ID] {
			n = n.add(Need{Sets: 1, Members: c.members[i]})
		}
	}
	return n
}

// Excess lists the policies that allow nothing somewhere for want of room, each once, sorted.
func (b Budgets) Excess(claims []Claim, refused Refusals) []policy.Problem {
	found := map[policy.Key]policy.Problem{}
	for _, c := range claims {
		if of := refused[c.Alike]; of != "" {
			for _, one := range c.Policies {
				found[one.Key] = excess(one.Key, "the policies of its namespace need, on a node, more than those of "+of+" may")
			}
		}
	}
	for _, c := range claims {
		for _, one := range c.Left {
			found[one.Key] = excess(one.Key, fmt.Sprintf("with the others that select a pod of its it needs more than they may: %s", b.Pod))
		}
	}
	return slices.SortedFunc(maps.Values(found), func(x, y policy.Problem) int { return x.Policy.Compare(y.Policy) })
}

func excess(key policy.Key, why string) policy.Problem {
	return policy.Problem{Policy: key, Error: field.Forbidden(field.NewPath("spec"), why+"; until this is mended it isolates pods that it selects and allows them nothing")}
}

// String says what is within a budget.
func (n Need) String() string {
	return fmt.Sprintf("%d members of sets, %d sets, %d rules and ports", n.Members, n.Sets, n.Rules)
}
