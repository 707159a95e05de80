package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Drafts assembles judgements, and does once what is the same for many pods: a policy for all pods of a namespace is
// one piece of work. The zero value is ready; it is for a moment in which no policy changes.
type Drafts struct{ known map[string]assembly }

// Judgement is Pod.Judgement.
func (x *Drafts) Judgement(p Pod, d ruleset.Direction, policies []*Policy, form Form) Judgement {
	if d == ruleset.Ingress && slices.ContainsFunc(policies, (*Policy).namesPorts) {
		return p.Judgement(d, policies, form) // the pod says what a name means
	}
	key := draftKey(p, d, policies)
	draft, known := x.known[key]
	if !known {
		if x.known == nil {
			x.known = map[string]assembly{}
		}
		draft = p.assemble(d, policies, form)
		x.known[key] = draft
	}
	return draft.judgement(p, form)
}

func draftKey(p Pod, d ruleset.Direction, policies []*Policy) string {
	var key strings.Builder
	fmt.Fprint(&key, d, p.families())
	for _, policy := range policies {
		fmt.Fprintf(&key, " %p", policy)
	}
	return key.String()
}

func (p *Policy) namesPorts() bool {
	return slices.ContainsFunc(p.Rules[ruleset.Ingress], func(r Rule) bool { return len(r.Names) > 0 })
}
