package nft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"github.com/picket-project/picket/ruleset"
)

// rule is one rule of a chain: terms from left to right, the last one a verdict.
type rule struct {
	terms   []term
	comment string
}

// newRule returns a rule without a comment.
func newRule(terms ...term) rule { return rule{terms: terms} }

// because gives a rule the comment that says why it is there.
func (r rule) because(comment string) rule {
	r.comment = comment
	return r
}

// text prints the rule as the nft program does, with its comment at the end.
func (r rule) text() string {
	words := make([]string, 0, len(r.terms)+1)
	for _, t := range r.terms {
		words = append(words, t.text)
	}
	if r.comment != "" {
		words = append(words, fmt.Sprintf("comment %q", clip(r.comment)))
	}
	return strings.Join(words, " ")
}

// add puts the rule at the end of a chain.
func (r rule) add(c *nftables.Conn, chain *nftables.Chain) error {
	added := &nftables.Rule{Table: chain.Table, Chain: chain}
	if r.comment != "" {
		added.UserData = userdata.AppendString(nil, userdata.TypeComment, clip(r.comment))
	}
	for _, t := range r.terms {
		exprs, err := t.encode(c, chain.Table)
		if err != nil {
			return err
		}
		added.Exprs = append(added.Exprs, exprs...)
	}
	c.AddRule(added)
	return nil
}

// encode adds the term's own set, if it has one, and returns its expressions.
func (t term) encode(c *nftables.Conn, table *nftables.Table) ([]expr.Any, error) {
	if t.set == nil {
		return t.exprs, nil
	}
	set := t.set.set
	set.Table = table
	if err := c.AddSet(&set, t.set.elements); err != nil {
		return nil, err
	}
	last := len(t.exprs) - 1
	lookup := *t.exprs[last].(*expr.Lookup)
	lookup.SetName, lookup.SetID = set.Name, set.ID
	return append(t.exprs[:last:last], &lookup), nil
}

// rulesOf turns a chain into rules: those of its steps in their order, then those of its end. The
// first rule of the end has the digest of the whole chain for a comment, the last one the policies
// that isolate the pod, or are audited.
func (e encoding) rulesOf(c ruleset.Chain) []rule {
	rules := stepsRules(c)
	end := len(rules)
	rules = append(rules, endRules(c)...)
	e.setDigest(rules, end, c)
	return rules
}

// stepsRules turns the steps of a chain into rules, in their order.
func stepsRules(c ruleset.Chain) (rules []rule) {
	for _, s := range c.Steps {
		rules = append(rules, stepRules(s, c)...)
	}
	return rules
}

// stepRules turns one step of a chain into rules.
func stepRules(s ruleset.Step, c ruleset.Chain) []rule {
	switch s := s.(type) {
	case ruleset.Lookup:
		if s.Set.Kind == ruleset.PortRanges {
			return []rule{newRule(byRange(s.Set))}
		}
		return []rule{newRule(byPort(s.Set.String()))}
	case ruleset.Call:
		return []rule{newRule(verdict(expr.VerdictJump, string(s.Chain)))}
	case ruleset.Rule:
		return actionRules(s, c)
	default:
		panic(fmt.Sprintf("no step: %T", s))
	}
}

// actionRules turns a rule of a chain into one that does what its action says, with the origins for
// a comment. Before what denies there is another one, which logs a sample of it.
func actionRules(r ruleset.Rule, c ruleset.Chain) []rule {
	match, reason := matching(r, c.Direction), reasonComment(ruleset.ReasonOf(r.Origins))
	does := func(terms ...term) rule {
		return newRule(slices.Concat(match, terms)...).because(reason)
	}
	switch r.Action {
	case ruleset.Accept:
		return []rule{does(consent(c.Direction))}
	case ruleset.Pass:
		return []rule{does(verdict(expr.VerdictReturn, ""))}
	default:
		return []rule{does(denialLog(c)), does(counter(), drop())}
	}
}

// consent is the verdict for a packet that is allowed in one direction: for one that may leave,
// ingress decides next; one that may also arrive is accepted.
func consent(d ruleset.Direction) term {
	if d == ruleset.Egress {
		return verdict(expr.VerdictGoto, arrival)
	}
	return accept()
}

// denialLog logs a sample of the packets that a chain denies.
func denialLog(c ruleset.Chain) term { return logged(logPrefix + string(c.ID) + " ") }

// matching returns the terms that match what a rule does, in a chain of that direction.
func matching(r ruleset.Rule, d ruleset.Direction) (terms []term) {
	switch { // the port first: to compare it costs a tenth of looking a peer up
	case len(r.Ports) > 0:
		terms = append(terms, toPorts(r.Proto, r.Ports))
	case r.Proto != ruleset.AnyProtocol:
		terms = append(terms, isProtocol(r.Proto))
	}
	switch {
	case r.Peer.HasSet():
		terms = append(terms, inSet(r.Peer.Set, peerEnd(d)))
	case r.Peer.Prefix.IsValid():
		terms = append(terms, inPrefix(r.Peer.Prefix, peerEnd(d)))
	}
	return terms
}

// endRules are the rules of the end of a chain. What is denied there is counted, and a sample of it
// is logged.
func endRules(c ruleset.Chain) []rule {
	switch c.End {
	case ruleset.EndGoBack:
		return []rule{newRule(verdict(expr.VerdictReturn, ""))}
	case ruleset.EndAccept:
		return []rule{newRule(consent(c.Direction))}
	case ruleset.EndAudit:
		return auditRules(c)
	}
	rules := []rule{newRule(denialLog(c))}
	last := drop()
	if c.End == ruleset.EndReject {
		rules = append(rules, newRule(isTranslated(), counter(), rejectProhibited()),
			newRule(isProtocol(ruleset.TCP), isForwarded(), counter(), rejectReset()))
		last = rejectProhibited()
	}
	return append(rules, newRule(counter(), last).because(decidedBy(c)))
}
