package policy

import "github.com/picket-project/picket/ruleset"

// Drafts assembles judgements, and does once what is the same for many pods: a policy for all pods of a namespace is
// one piece of work. The zero value is ready; it is for a moment in which no policy changes.
type Drafts struct{ known map[string]assembly }

// Judgement assembles what a pod may do in a direction in which these policies, sorted by key, isolate it. It is Alike
// those of its crew, for which is asked if they share something.
func (x *Drafts) Judgement(p Pod, alike string, d ruleset.Direction, policies []*Policy, form Form, crew func() Crew) Judgement {
	draft, known := x.known[alike]
	if !known {
		if x.known == nil {
			x.known = map[string]assembly{}
		}
		draft = p.assemble(d, policies, form)
		x.known[alike] = draft
	}
	return draft.judgement(p, form, crew)
}
