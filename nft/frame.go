package nft

import (
	"slices"

	"github.com/google/nftables"

	"github.com/picket-project/picket/ruleset"
)

// putFrame makes the frame right around what was found of it. What can stay does, so that a
// packet on its way meets the old rules or the new ones: it takes the rules of a chain as they
// were when it came (rules of either generation, nft_do_chain), but looks addresses up in maps
// and sets as they are by then, and would find nothing in those that just went.
func (b *batch) putFrame(found listing, strict bool) {
	b.flushFrame(found)
	for _, s := range found.frameSets() {
		if found.sets[s.Name] == nil {
			b.fail(b.conn.AddSet(s, nil))
		}
	}
	if strict { // the delta fills them
		for _, s := range ruleset.StrictSets(nil, nil) {
			b.addSet(s)
		}
	}
	for _, c := range found.frame(strict) {
		b.putFrameChain(found.chains[c.name], c)
	}
}

// reform gives the chains that are not the same in another form their rules.
func (b *batch) reform(was, is form) {
	old := frame(was)
	for i, c := range frame(is) {
		if !slices.Equal(contentsOf(old[i].rules), contentsOf(c.rules)) {
			b.conn.FlushChain(b.chain(c.name))
			b.addRules(b.chain(c.name), c.rules)
		}
	}
}

// flushFrame empties all chains but those of pods and all sets of others, so that nothing in them
// refers to anything any more.
func (b *batch) flushFrame(found listing) {
	for name := range found.chains {
		if !isPodChain(name) {
			b.conn.FlushChain(b.chain(name))
		}
	}
	for _, s := range found.straySets() {
		b.conn.FlushSet(s)
	}
}

// delStrays comes last, when nothing refers to them any more.
func (b *batch) delStrays(found listing) {
	for _, name := range found.strayChains() {
		b.conn.DelChain(b.chain(name))
	}
	for _, s := range found.straySets() {
		b.conn.DelSet(s)
	}
}

// putFrameChain gives a chain its rules. The kernel adds no base chain that is there (EOPNOTSUPP).
func (b *batch) putFrameChain(found *nftables.Chain, c frameChain) {
	if hooked(found, c) {
		b.addRules(b.chain(c.name), c.rules)
		return
	}
	if found != nil {
		b.conn.DelChain(b.chain(c.name))
	}
	b.addFrameChain(c)
}

// addFrameChain makes a chain of the frame with its rules. A base chain has the policy accept: what
// no rule of it drops goes on.
func (b *batch) addFrameChain(c frameChain) {
	accept := nftables.ChainPolicyAccept
	chain := b.chain(c.name)
	if c.hook != nil {
		chain.Type, chain.Hooknum, chain.Policy = nftables.ChainTypeFilter, &c.hook.number, &accept
		chain.Priority = &c.hook.priority
	}
	b.conn.AddChain(chain)
	b.addRules(chain, c.rules)
}
