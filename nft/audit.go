package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/picket-project/picket/ruleset"
)

// auditRules are the rules of an end that audits: what would be denied is counted, a sample of it is
// logged, and it is let through as if a rule had allowed it.
func auditRules(c ruleset.Chain) []rule {
	return []rule{newRule(logged(auditPrefix + string(c.ID) + " ")),
		newRule(counter(), consent(c.Direction)).because(decidedBy(c))}
}

// letsThrough reports whether a rule lets packets pass: one with a counter does only in an audit.
func letsThrough(r *nftables.Rule) bool {
	last, is := r.Exprs[len(r.Exprs)-1].(*expr.Verdict)
	return is && (last.Kind == expr.VerdictGoto || last.Kind == expr.VerdictAccept)
}
