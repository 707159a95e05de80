package nft

import (
	"slices"

	"github.com/google/nftables"

	"github.com/picket-project/picket/ruleset"
)

// condition says how much of what was found can stay, and whether the frame is that of a strict
// program.
func (l listing) condition() (c ruleset.Condition, strict bool) {
	switch {
	case l.lost():
		return ruleset.Lost, false
	case len(l.strayChains())+len(l.straySets()) > 0:
		return ruleset.Damaged, false
	case l.hasFrame(true):
		return ruleset.Intact, true
	case l.hasFrame(false):
		return ruleset.Intact, false
	default:
		return ruleset.Damaged, false
	}
}

// lost reports whether there is no table, or one that can't be mended in place: it was put to
// sleep, or a name of ours stands for something that it can't be turned into the right thing.
func (l listing) lost() bool {
	if l.table == nil || l.table.Flags&nftables.TableFlagDormant != 0 || l.alien {
		return true
	}
	for name, c := range l.chains {
		if isPodChain(name) && c.Hooknum != nil {
			return true
		}
	}
	for name, s := range l.sets {
		if own := ownSet(name); own != nil && !sameType(own, s) {
			return true
		}
	}
	return false
}

// sameType reports whether two sets hold the same type of key, both as intervals or both not, and,
// if they are maps, lead to the same type of value.
func sameType(a, b *nftables.Set) bool {
	return a.KeyType.Name == b.KeyType.Name && a.Interval == b.Interval && a.IsMap == b.IsMap &&
		(!a.IsMap || a.DataType.Name == b.DataType.Name)
}

// ownSet describes the set or map of a name as it is made here; nil: it is nothing of ours.
func ownSet(name string) *nftables.Set {
	for _, s := range frameSets() {
		if s.Name == name {
			return s
		}
	}
	if f, ports, ok := parseCutSet(name); ok {
		return cutSet(f, ports)
	}
	if id, ok := ruleset.ParseSetID(name); ok {
		return programSet(id)
	}
	return nil
}

// strayChains names the chains that somebody else put into the table: those that are neither of the
// frame, nor of cut connections, nor of the program.
func (l listing) strayChains() []string {
	var names []string
	for name := range l.chains {
		isFrame := slices.ContainsFunc(append(frame(l.form(false)), cutFrame()...),
			func(c frameChain) bool { return c.name == name })
		if !isFrame && !isPodChain(name) {
			names = append(names, name)
		}
	}
	return names
}

// straySets lists the sets and maps that somebody else put into the table: nothing here makes one
// of that name.
func (l listing) straySets() []*nftables.Set {
	var strays []*nftables.Set
	for name, s := range l.sets {
		if ownSet(name) == nil {
			strays = append(strays, s)
		}
	}
	return strays
}

// hasFrame compares the frame's chains rule by rule and looks for its sets.
func (l listing) hasFrame(strict bool) bool {
	for _, c := range l.frame(strict) {
		if !slices.Equal(l.contents(c.name), contentsOf(c.rules)) || !hooked(l.chains[c.name], c) {
			return false
		}
	}
	return !slices.ContainsFunc(l.frameSets(),
		func(s *nftables.Set) bool { return l.sets[s.Name] == nil })
}

// form is the form that the frame must have around what was found.
func (l listing) form(strict bool) form { return l.features.formOf(strict, l.behind) }

// frame is what the frame must be around what was found: with cut connections, or without.
func (l listing) frame(strict bool) []frameChain {
	chains := frame(l.form(strict))
	if l.cutting() {
		chains = append(chains, cutFrame()...)
	}
	return chains
}

// frameSets describes the sets that the frame must have around what was found, with those of cut
// connections if there are any.
func (l listing) frameSets() []*nftables.Set {
	sets := frameSets()
	if l.cutting() {
		sets = append(sets, cutSets()...)
	}
	return sets
}

// cutting reports whether anything of the cut connections is there.
func (l listing) cutting() bool {
	there := func(s *nftables.Set) bool { return l.sets[s.Name] != nil }
	return l.chains[cutChain] != nil || slices.ContainsFunc(cutSets(), there)
}

// hooked reports whether a chain is there and meets packets where it should: by the same hook and
// priority, with the policy accept, or by no hook at all.
func hooked(have *nftables.Chain, want frameChain) bool {
	switch {
	case have == nil:
		return false
	case want.hook == nil:
		return have.Hooknum == nil
	default:
		return have.Hooknum != nil && *have.Hooknum == want.hook.number &&
			*have.Priority == want.hook.priority &&
			have.Policy != nil && *have.Policy == nftables.ChainPolicyAccept
	}
}
