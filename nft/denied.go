package nft

import (
	"github.com/google/nftables"

	"github.com/picket-project/picket/ruleset"
)

// Denied returns how many packets each chain of a pod has denied since it got its rules, as the last
// Observe found it.
func (b *Backend) Denied() map[ruleset.ChainID]uint64 {
	return b.counted(func(r *nftables.Rule) bool { return !letsThrough(r) })
}
