package policy

import "github.com/picket-project/picket/ruleset"

// Drafts assembles judgements, and does once what is the same for many pods: a policy for all pods of a namespace is
// one piece of work. The zero value is ready.
type Drafts struct {
	Parts
	known map[string]assembly
}

// Begin begins a moment in which no policy changes.
func (x *Drafts) Begin() { x.known = nil }

// Judgement assembles what a pod may do in a direction in which these policies, sorted by key, isolate it. It is Alike
// those of its crew, for which is asked if they share something.
func (x *Drafts) Judgement(p Pod, alike string, d ruleset.Direction, policies []*Policy, form Form, crew func() Crew) Judgement {
	draft, known := x.known[alike]
	if !known {
		parts := make([]*part, len(policies))
		for i, policy := range policies {
			parts[i] = x.of(p, d, policy)
		}
		draft = p.assemble(d, parts, form)
		if x.known == nil {
			x.known = map[string]assembly{}
		}
		x.known[alike] = draft
	}
	return draft.judgement(p, form, crew)
}
