package nft

import (
	"github.com/google/nftables/expr"

	"github.com/picket-project/picket/ruleset"
)

// Denied returns how many packets each chain of a pod has denied since it got its rules, as the last
// Observe found it.
func (b *Backend) Denied() map[ruleset.ChainID]uint64 {
	denied := map[ruleset.ChainID]uint64{}
	for name, rules := range b.found.rules {
		if !isPodChain(name) {
			continue
		}
		// Only what denies has a counter.
		for _, r := range rules {
			for _, e := range r.Exprs {
				if c, is := e.(*expr.Counter); is {
					denied[ruleset.ChainID(name)] += c.Packets
				}
			}
		}
	}
	return denied
}
