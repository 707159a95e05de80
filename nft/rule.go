package nft

import (
	"fmt"
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

// rulesOf turns a chain into rules: a lookup of the port where there is one, which decides for
// most packets, one rule for each of its own, then the denial. The first rule of the denial has
// the digest of the whole chain for a comment, the last one the policies that isolate the pod.
func rulesOf(c ruleset.Chain) []rule {
	var rules []rule
	if c.ByPort {
		rules = append(rules, newRule(byPort(ruleset.PortsOf(c.ID).String())))
	}
	for _, id := range c.Spans {
		rules = append(rules, newRule(byRange(id)))
	}
	if c.Onward != "" {
		rules = append(rules, newRule(verdict(expr.VerdictJump, string(c.Onward))))
	}
	for _, r := range c.Rules {
		rules = append(rules, allow(r, c.Direction))
	}
	end := len(rules)
	rules = append(rules, denial(c)...)
	setDigest(rules, end, c)
	return rules
}

// allow gives consent in one direction: a packet that may leave is judged by ingress next, one
// that may also arrive is accepted.
func allow(r ruleset.Rule, d ruleset.Direction) rule {
	var terms []term
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
	consent := verdict(expr.VerdictAccept, "")
	if d == ruleset.Egress {
		consent = verdict(expr.VerdictGoto, arrival)
	}
	return newRule(append(terms, consent)...).because(reasonComment(ruleset.ReasonOf(r.Origins)))
}

// denial ends a chain: a sample is logged, all is counted, nothing passes. A chain that others
// lead to leaves that to them.
func denial(c ruleset.Chain) []rule {
	if c.Denial == ruleset.GoBack {
		return []rule{newRule(verdict(expr.VerdictReturn, ""))}
	}
	rules := []rule{newRule(logged(logPrefix + string(c.ID) + " "))}
	last := verdict(expr.VerdictDrop, "")
	if c.Denial == ruleset.Reject {
		rules = append(rules, newRule(isTranslated(), counter(), rejectProhibited()),
			newRule(isProtocol(ruleset.TCP), isForwarded(), counter(), rejectReset()))
		last = rejectProhibited()
	}
	return append(rules, newRule(counter(), last).because(isolatedBy(c)))
}
