package policy

import (
	"slices"
	"sort"

	"github.com/picket-project/picket/ruleset"
)

// Drafts assembles judgements, and does once what is the same for many pods: a policy for all pods of a namespace is
// one piece of work. The zero value is ready.
type Drafts struct {
	Parts
	known map[string]*Draft
}

// Begin begins a moment in which no policy changes, nor what there is of pods.
func (x *Drafts) Begin() { x.known = nil }

// Subject is a pod in a direction in which policies, sorted by key, isolate it; Alike is what it has in common with its
// crew.
type Subject struct {
	Pod       Pod
	Alike     string
	Direction ruleset.Direction
	Policies  []*Policy
}

// namespace is that of the policies: a subject that stands for several pods has none of its own.
func (s Subject) namespace() string {
	if len(s.Policies) == 0 {
		return ""
	}
	return s.Policies[0].Namespace
}

// Draft is all of a judgement that is the same for the pods of a crew.
type Draft struct {
	Claim
	assembly assembly
	names    []string // of the policies
}

// Judgement assembles what a pod may do in a direction in which these policies, sorted by key, isolate it. It is Alike
// those of its crew, for which is asked if they share something.
func (x *Drafts) Judgement(p Pod, alike string, d ruleset.Direction, policies []*Policy, form Form, crew func() Crew) Judgement {
	return x.Draft(Subject{p, alike, d, policies}, form).Judgement(p, form, crew)
}

// Draft assembles what is the same for a subject and those alike. Where all of its policies would need too much, those
// that need most allow nothing.
func (x *Drafts) Draft(s Subject, form Form) *Draft {
	if known := x.known[s.Alike]; known != nil {
		return known
	}
	draft := x.fit(s, form)
	for _, policy := range s.Policies {
		draft.names = append(draft.names, policy.String())
	}
	draft.Weigh(form.Roughly())
	if x.known == nil {
		x.known = map[string]*Draft{}
	}
	x.known[s.Alike] = draft
	return draft
}

func (x *Drafts) fit(s Subject, form Form) *Draft {
	draft := x.assemble(s, s.Policies, form)
	if draft.Need.within(form.Room().Pod) {
		return draft
	}
	order := x.leastFirst(s, form)
	prefix := func(n int) *Draft {
		some := slices.Clone(order[:n])
		slices.SortFunc(some, func(a, b *Policy) int { return a.Key.Compare(b.Key) })
		return x.assemble(s, some, form)
	}
	n := sort.Search(len(order), func(n int) bool { return !prefix(n + 1).Need.within(form.Room().Pod) })
	draft = prefix(n)
	draft.Left = order[n:]
	return draft
}

// leastFirst orders a subject's policies by what each needs alone.
func (x *Drafts) leastFirst(s Subject, form Form) []*Policy {
	alone := map[*Policy]Need{}
	for _, policy := range s.Policies {
		known := x.of(s.Pod, s.Direction, policy)
		if known.alone == nil {
			known.alone = &x.assemble(s, []*Policy{policy}, form).Claim
		}
		known.alone.Weigh(form.Roughly())
		alone[policy] = known.alone.Need
	}
	return slices.SortedStableFunc(slices.Values(s.Policies), func(a, b *Policy) int { return alone[a].Compare(alone[b]) })
}

// assemble puts together what some of the policies contribute.
func (x *Drafts) assemble(s Subject, policies []*Policy, form Form) *Draft {
	parts := make([]*part, len(policies))
	for i, policy := range policies {
		parts[i] = x.of(s.Pod, s.Direction, policy)
	}
	a := s.Pod.assemble(s.Direction, parts, form)
	return &Draft{
		Claim:    Claim{Namespace: s.namespace(), Alike: s.Alike, Policies: s.Policies, Need: a.need(form.Roughly()), Sources: a.sources},
		assembly: a,
	}
}

// Judgement makes the pod's own of it.
func (x *Draft) Judgement(p Pod, form Form, crew func() Crew) Judgement {
	return x.named(x.assembly.judgement(p, form, crew))
}

// Refused is the judgement of a pod whose claim is refused: it is isolated, and nothing is allowed.
func (x *Draft) Refused(p Pod, form Form) Judgement {
	return x.named(newAssembly(p, x.assembly.direction).judgement(p, form, Alone))
}

// named says in the pod's chain which policies isolate it.
func (x *Draft) named(j Judgement) Judgement {
	j.Chain.Policies = x.names
	return j
}
