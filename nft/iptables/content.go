package iptables

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// content is what the kernel should hold: a program, as far as it is known. Of a chain that an
// earlier process has left and nobody has asked for since, only its rules in the kernel are known:
// they are kept as they are.
type content struct {
	strict   bool
	links    map[string]bool
	sets     map[ruleset.SetID]setContent
	tunnels  map[ruleset.Member]bool // members of ruleset.TunnelPorts
	chains   map[ruleset.ChainID]ruleset.Chain
	kept     map[ruleset.ChainID]map[ruleset.Family]chains
	dispatch map[ruleset.Subject]ruleset.ChainID
	cuts     cutContent
	fence    fence
	found    map[string]setCopy // by name, of the sets that were found
}

// setContent is a set of the program.
type setContent struct {
	comment  string
	elements elements
}

// chains is rules of chains, by the chain's name.
type chains map[string][]string

// newContent returns the content of an empty program.
func newContent() *content {
	c := &content{
		links: map[string]bool{}, sets: map[ruleset.SetID]setContent{},
		tunnels: map[ruleset.Member]bool{}, chains: map[ruleset.ChainID]ruleset.Chain{},
		kept:     map[ruleset.ChainID]map[ruleset.Family]chains{},
		dispatch: map[ruleset.Subject]ruleset.ChainID{}, cuts: newCutContent(),
	}
	c.addFixedSets()
	return c
}

// addFixedSets makes those that are not there.
func (c *content) addFixedSets() {
	for _, s := range ruleset.FixedSets() {
		if _, there := c.sets[s.ID]; !there && s.ID.Kind != ruleset.ProtoPorts {
			c.sets[s.ID] = setContent{s.Comment, elements{}}
		}
	}
}

// change is the elements of one set that a delta takes out and puts in.
type change struct{ del, add elements }

// changes is what a delta does to the elements of sets that stay.
type changes map[ruleset.SetID]change

// of returns the change of a set, made where there is none yet.
func (all changes) of(id ruleset.SetID) change {
	if _, there := all[id]; !there {
		all[id] = change{elements{}, elements{}}
	}
	return all[id]
}

// apply takes a delta in, and returns what changes in sets that stay.
func (c *content) apply(d ruleset.Delta) (changes, error) {
	if err := supported(d); err != nil {
		return nil, err
	}
	if d.Frame {
		c.strict = d.Strict
		c.addFixedSets()
	}
	for _, l := range d.DelLinks {
		delete(c.links, l)
	}
	for _, l := range d.AddLinks {
		c.links[l] = true
	}
	for _, e := range d.DelDispatch {
		delete(c.dispatch, ruleset.Subject{Direction: e.Direction, Addr: e.Addr})
	}
	for _, e := range d.AddDispatch {
		c.dispatch[ruleset.Subject{Direction: e.Direction, Addr: e.Addr}] = e.Chain
	}
	c.applyChains(d)
	return c.applySets(d), nil
}

// supported refuses what Form does not promise.
func supported(d ruleset.Delta) error {
	for _, c := range d.PutChains {
		if c.LooksUp() {
			return fmt.Errorf("chain %s looks ports up, which iptables has nothing for", c.ID)
		}
	}
	return nil
}

// applyChains takes in which chains there are. One that is put is known from then on.
func (c *content) applyChains(d ruleset.Delta) {
	for _, put := range d.PutChains {
		c.chains[put.ID] = put.Chain
		delete(c.kept, put.ID)
	}
	for _, id := range d.DelChains {
		delete(c.chains, id)
		delete(c.kept, id)
	}
}

// applySets takes in which sets there are, and what is in them.
func (c *content) applySets(d ruleset.Delta) changes {
	all := changes{}
	for _, m := range d.DelMembers {
		all.note(m, func(ch change) elements { return ch.del })
		c.setTunnels(m, false)
	}
	for _, s := range d.AddSets {
		c.addSet(s)
	}
	for _, m := range d.AddMembers {
		all.note(m, func(ch change) elements { return ch.add })
		c.setTunnels(m, true)
	}
	for id, ch := range all {
		ch.settle(c.sets[id].elements)
	}
	for _, id := range d.DelSets {
		delete(c.sets, id)
		delete(all, id)
	}
	return all
}

// note takes members into one side of the change of their set.
func (all changes) note(m ruleset.Members, side func(change) elements) {
	if m.Set.Kind == ruleset.ProtoPorts {
		return // they are rules
	}
	for _, one := range m.Members {
		for _, e := range elementsOf(m.Set, one) {
			side(all.of(m.Set))[e] = true
		}
	}
}

// setTunnels takes in where nodes unpack tunnels, or do not any more.
func (c *content) setTunnels(m ruleset.Members, there bool) {
	for _, one := range m.Members {
		if m.Set != ruleset.TunnelPorts() {
			break
		}
		if delete(c.tunnels, one); there {
			c.tunnels[one] = true
		}
	}
}

// addSet makes a set with its members.
func (c *content) addSet(s ruleset.Set) {
	made := setContent{s.Comment, make(elements, len(s.Members))}
	for _, m := range s.Members {
		for _, e := range elementsOf(s.ID, m) {
			made.elements[e] = true
		}
	}
	c.sets[s.ID] = made
}

// settle leaves out what both goes and comes, and carries the rest out.
func (ch change) settle(in elements) {
	for e := range ch.add {
		if ch.del[e] {
			delete(ch.del, e)
			delete(ch.add, e)
		}
	}
	for e := range ch.del {
		delete(in, e)
	}
	for e := range ch.add {
		in[e] = true
	}
}

// subjects returns the addresses of one family that are dispatched in a direction, with the chains
// they lead to.
func (c *content) subjects(d ruleset.Direction, f ruleset.Family) map[netip.Addr]ruleset.ChainID {
	list := map[netip.Addr]ruleset.ChainID{}
	for s, id := range c.dispatch {
		if s.Direction == d && ruleset.FamilyOf(s.Addr) == f {
			list[s.Addr] = id
		}
	}
	return list
}

// sortedTunnels lists where nodes unpack tunnels.
func (c *content) sortedTunnels() []ruleset.Member {
	return slices.SortedFunc(maps.Keys(c.tunnels), ruleset.Member.Compare)
}

// rejects reports whether any chain answers to what it denies.
func (c *content) rejects() bool {
	for _, one := range c.chains {
		if one.End == ruleset.EndReject {
			return true
		}
	}
	// The rules that are kept speak for themselves.
	for _, byFamily := range c.kept {
		for _, kept := range byFamily {
			for _, rules := range kept {
				if slices.ContainsFunc(rules, func(r string) bool {
					return strings.HasSuffix(r, goTo(rejectChain))
				}) {
					return true
				}
			}
		}
	}
	return false
}

// onlyLink returns the one interface that pods are behind; empty: there are several, or none. It is
// compared by name, which costs a tenth of a look at a set.
func (c *content) onlyLink() string {
	links, most := map[string]int{}, 0
	for _, f := range ruleset.Families {
		perLink := map[string]int{}
		for e := range c.sets[ruleset.Behind(f)].elements {
			_, link, _ := strings.Cut(string(e), ",")
			links[link]++
			perLink[link]++
			most = max(most, perLink[link])
		}
	}
	// A link with one address in a family is taken for one of several.
	if len(links) != 1 || most < 2 {
		return ""
	}
	for link := range links {
		return link
	}
	return ""
}
