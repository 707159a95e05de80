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

// Audited returns how many packets each chain of a pod has let through, since it got its rules, that
// audited policies would deny, as the last Observe found it.
func (b *Backend) Audited() map[ruleset.ChainID]uint64 { return b.counted(letsThrough) }

// counted adds up the counters of rules of some kind, for each chain of a pod that has any.
func (b *Backend) counted(is func(*nftables.Rule) bool) map[ruleset.ChainID]uint64 {
	sums := map[ruleset.ChainID]uint64{}
	for name, rules := range b.found.rules {
		if !isPodChain(name) {
			continue
		}
		for _, r := range rules {
			if packets, counts := counterOf(r); counts && is(r) {
				sums[ruleset.ChainID(name)] += packets
			}
		}
	}
	return sums
}

// letsThrough reports whether a rule lets packets pass: one with a counter does only in an audit.
func letsThrough(r *nftables.Rule) bool {
	last, is := r.Exprs[len(r.Exprs)-1].(*expr.Verdict)
	return is && (last.Kind == expr.VerdictGoto || last.Kind == expr.VerdictAccept)
}
