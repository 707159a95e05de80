package iptables

import (
	"maps"

	"github.com/picket-project/picket/ruleset"
)

// kernel is all of ours that a kernel holds, or should hold.
type kernel struct {
	tables map[ruleset.Family]map[string]table
	sets   map[string]ipset
	sketch sketch // of it as it was read; else empty
}

// table is one table of iptables.
type table struct {
	chains chains
	// all rules of the chains of the kernel that we have a rule in, those of others as well; of a
	// table that we want, our own alone
	bases chains
}

// ipset is a set of the kernel.
type ipset struct {
	setType
	elements elements
}

// newKernel returns an empty one.
func newKernel() kernel {
	k := kernel{map[ruleset.Family]map[string]table{}, map[string]ipset{},
		sketch{rules: map[string]string{}, sizes: map[string]int{}}}
	for _, f := range ruleset.Families {
		k.tables[f] = map[string]table{}
		for _, name := range tables {
			k.tables[f][name] = table{chains{}, chains{}}
		}
	}
	return k
}

// empty reports whether there is nothing.
func (k kernel) empty() bool {
	for _, byName := range k.tables {
		for _, t := range byName {
			if len(t.chains) > 0 {
				return false
			}
		}
	}
	return len(k.sets) == 0
}

// want returns what the kernel should hold for a content, and which of its sets are copies. It fails
// where two names collide.
func want(c *content) (k kernel, copies map[string]setCopy, err error) {
	k, copies = newKernel(), map[string]setCopy{}
	for _, f := range ruleset.Families {
		l, err := render(c, f)
		if err != nil {
			return k, nil, err
		}
		for name, made := range l.tables {
			bases := chains{}
			for _, h := range l.hooks[name] {
				bases[h.base] = append(bases[h.base], h.rule)
			}
			k.tables[f][name] = table{made, bases}
		}
		maps.Copy(copies, l.copies)
		k.addSets(c, f, l.copies)
	}
	return k, copies, nil
}

// addSets adds the sets that the rules of one family look up.
func (k kernel) addSets(c *content, f ruleset.Family, copies map[string]setCopy) {
	for name, of := range copies {
		k.sets[name] = ipset{typeOf(of.id), c.sets[of.id].elements}
	}
	maps.Copy(k.sets, c.cuts.sets(f))
	maps.Copy(k.sets, c.fence.sets(f))
	for _, d := range ruleset.Directions {
		all := elements{}
		for a := range c.subjects(d, f) {
			all[element(a.String())] = true
		}
		k.sets[subjectsSet(d, f)] = ipset{setType{"hash:ip", f}, all}
	}
}

// roleIn returns the role in which a set is looked up. Subjects deny: who comes is decided about
// from then on. So do cuts.
func roleIn(copies map[string]setCopy, name string) role {
	if c, is := copies[name]; is {
		return c.role
	}
	return denying
}
