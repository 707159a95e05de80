package compile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Request is what the policies of one group of pods ask of the node.
type Request struct {
	Namespace string
	GroupKey  string           // see GroupKey
	Policies  []*policy.Policy // that decide about the pods
	Effect    policy.Effect    // of these policies: audited ones isolate nobody

	// Excluded are the policies that allow nothing, so that the others keep within the
	// budget of a pod. What follows is about these others.
	Excluded []*policy.Policy
	Need     Need
	Sources  []SetSource // of the sets that they use
	members  []int       // of each source, at most
}

// Measure updates the need for a new count of pods. The policies that allow something
// must still be the same.
func (r *Request) Measure(count PodCount) {
	sum := Need{Rules: r.Need.Rules, Longest: r.Need.Longest}
	r.members = make([]int, len(r.Sources))
	for i := range r.Sources {
		one := r.Sources[i].need(count)
		r.members[i], sum = one.Members, sum.add(one)
	}
	r.Need = sum
}

// Fits reports whether all of the policies keep within the budget of a pod.
func (r *Request) Fits(b Budgets) bool { return len(r.Excluded) == 0 && r.Need.within(b.Pod) }

// OnPods returns the request with what it needs for so many pods of the node.
func (r Request) OnPods(pods int, f ruleset.Form) Request {
	if f.Copies {
		r.Need.Rules *= pods
	}
	return r
}

// EachDemand hands over the demands whose count of pods decides over the need and over
// who is excluded.
func (r *Request) EachDemand(d ruleset.Direction, each func(policy.Demand)) {
	for _, one := range r.Policies {
		for _, rule := range one.Rules[d] {
			for _, selector := range rule.PeerPods() {
				for _, demand := range selector.Demands() {
					each(demand)
				}
			}
		}
	}
}

// Refusals are the group keys of the requests that are refused since they are beyond
// the budget of a namespace or the node, with the name of that budget. Their pods are
// isolated, and nothing is allowed.
type Refusals map[string]string

// Refuse decides which requests are refused: first those that need most, until the
// others fit.
func (b Budgets) Refuse(requests []Request) Refusals {
	refused := Refusals{}
	namespaces, sums := map[string][]*Request{}, map[string]Need{}
	var sum Need
	for i := range requests {
		sum = sum.add(requests[i].Need)
	}
	if sum.within(b.Namespace) && sum.within(b.Node) {
		return refused
	}
	for i := range requests {
		r := &requests[i]
		namespaces[r.Namespace] = append(namespaces[r.Namespace], r)
		// What is only audited makes no namespace wait behind the others.
		if r.Effect != policy.Audits {
			sums[r.Namespace] = sums[r.Namespace].add(r.Need)
		}
	}
	names := slices.SortedFunc(maps.Keys(namespaces), func(x, y string) int {
		return cmp.Or(sums[x].Compare(sums[y]), strings.Compare(x, y))
	})
	var all []*Request
	for _, name := range names {
		slices.SortFunc(namespaces[name], func(x, y *Request) int {
			return cmp.Or(enforcedFirst(x, y), x.Need.Compare(y.Need), strings.Compare(x.GroupKey, y.GroupKey))
		})
		all = append(all, refused.accept(b.Namespace, namespaces[name], "a namespace")...)
	}
	slices.SortStableFunc(all, enforcedFirst)
	refused.accept(b.Node, all, "a node")
	return refused
}

// enforcedFirst orders requests so that what is only audited takes no room from what is enforced.
func enforcedFirst(x, y *Request) int { return cmp.Compare(y.Effect, x.Effect) }

// accept returns the requests that fit into a budget together, in their order, and
// refuses the others. A set that several of them use counts once.
func (x Refusals) accept(budget Need, requests []*Request, of string) (accepted []*Request) {
	var sum Need
	for _, r := range requests {
		sum = sum.add(r.Need)
	}
	if sum.within(budget) {
		return requests
	}
	sum = Need{}
	counted := map[ruleset.SetID]bool{}
	for _, r := range requests {
		with, again := sum.add(r.Need), r.counted(counted)
		with.Sets -= again.Sets
		with.Members -= again.Members
		if !with.within(budget) {
			x[r.GroupKey] = of
			continue
		}
		sum, accepted = with, append(accepted, r)
		for i := range r.Sources {
			counted[r.Sources[i].ID] = true
		}
	}
	return accepted
}

// counted returns how much of the need is for sets that are counted already.
func (r *Request) counted(sets map[ruleset.SetID]bool) (n Need) {
	for i := range r.Sources {
		if sets[r.Sources[i].ID] {
			n = n.add(Need{Sets: 1, Members: r.members[i]})
		}
	}
	return n
}

// Excess returns a problem for each policy that allows nothing somewhere because it is
// beyond a budget, sorted. An audited one denies nothing; what it counts is wrong then.
func (b Budgets) Excess(requests []Request, refused Refusals) []policy.Problem {
	found := map[policy.Key]policy.Problem{}
	for _, r := range requests {
		if of := refused[r.GroupKey]; of != "" {
			why := "the policies of its namespace need, on a node, " +
				"more than those of " + of + " may"
			for _, one := range r.Policies {
				found[one.Key] = r.excess(one.Key, why)
			}
		}
	}
	why := "with the others that select a pod of its it needs more than they may: " + b.Pod.String()
	for _, r := range requests {
		for _, one := range r.Excluded {
			found[one.Key] = r.excess(one.Key, why)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(x, y policy.Problem) int {
		return x.Policy.Compare(y.Policy)
	})
}

// excess says what happens to a policy that is beyond a budget, until somebody changes
// it.
func (r *Request) excess(key policy.Key, why string) policy.Problem {
	effect := "it isolates pods that it selects and allows them nothing"
	if r.Effect == policy.Audits {
		effect = "it counts as allowing pods that it selects nothing; all is let through, as it is audited"
	}
	why += "; until this is mended " + effect
	return policy.Problem{Policy: key, Error: field.Forbidden(field.NewPath("spec"), why)}
}
