package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// SetSource says what the members of a set come from: the addresses of pods, their
// ports of one name, or members that do not depend on pods.
type SetSource struct {
	ID        ruleset.SetID
	Comment   string
	Selectors []*policy.Selector // of pods: for Addresses any number, for AddressPorts one
	Port      policy.PortName    // for AddressPorts
	Ranges    []ruleset.Range    // for Ranges
	Jumps     []ruleset.Member   // for PortMap and PortRanges
	Actions   ruleset.Actions    // of the rules that use the set, or that are where its jumps lead
}

// podSet is the source of the addresses of one family that the pods of a selector have.
func podSet(s *policy.Selector, f ruleset.Family) SetSource {
	id := ruleset.SetID{Kind: ruleset.Addresses, Family: f, Key: s.Digest()}
	return SetSource{ID: id, Comment: s.String(), Selectors: []*policy.Selector{s}}
}

// namedPortSet is the source of what the pods of a selector call by one port name: each
// of their addresses with the number of that port.
func namedPortSet(s *policy.Selector, port policy.PortName, f ruleset.Family) SetSource {
	comment := fmt.Sprintf("%s port %s of %s", port.Proto, port.Name, s)
	return SetSource{
		ID: setID(ruleset.AddressPorts, f, comment), Comment: comment,
		Selectors: []*policy.Selector{s}, Port: port,
	}
}

// rangeSet is the source of address ranges of one family.
func rangeSet(ranges []ruleset.Range, f ruleset.Family) SetSource {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	comment := strings.Join(texts, ", ")
	return SetSource{ID: setID(ruleset.Ranges, f, comment), Comment: comment, Ranges: ranges}
}

// unite returns the source of the union of address sets of one family. Sources of
// another kind come alone, and come back as they are.
func unite(sources []*SetSource) SetSource {
	if len(sources) == 1 {
		return *sources[0]
	}
	sources = slices.Clone(sources)
	byComment := func(a, b *SetSource) int { return strings.Compare(a.Comment, b.Comment) }
	slices.SortFunc(sources, byComment)
	sources = slices.CompactFunc(sources, func(a, b *SetSource) bool { return a.ID == b.ID })
	if len(sources) == 1 {
		return *sources[0]
	}
	var all SetSource
	var texts []string
	for _, s := range sources {
		all.Selectors = append(all.Selectors, s.Selectors...)
		texts = append(texts, s.Comment)
	}
	all.ID = setID(ruleset.Addresses, sources[0].ID.Family, strings.Join(texts, " or "))
	all.Comment = fmt.Sprintf("%s or %d more", texts[0], len(texts)-1)
	return all
}

// setID names a set after the text of what it is made from, so that its name does not
// change with its members.
func setID(kind ruleset.SetKind, f ruleset.Family, identity string) ruleset.SetID {
	return ruleset.SetID{Kind: kind, Family: f, Key: ruleset.Digest(identity)}
}

// Matches reports whether a pod of that namespace puts members into the set.
func (s SetSource) Matches(p policy.Pod, ns policy.Namespace) bool {
	matches := func(one *policy.Selector) bool { return one.Matches(p, ns) }
	return slices.ContainsFunc(s.Selectors, matches)
}

// Fixed returns the members that do not depend on pods.
func (s SetSource) Fixed() []ruleset.Member {
	members := slices.Clone(s.Jumps)
	for _, r := range s.Ranges {
		members = append(members, ruleset.Member{Addr: r.First, Last: r.Last})
	}
	return members
}

// Members returns the members that a pod which the selector matches puts into the set,
// sorted.
func (s SetSource) Members(p policy.Pod) []ruleset.Member {
	members := s.AppendMembers(nil, p)
	slices.SortFunc(members, ruleset.Member.Compare)
	return members
}

// AppendMembers appends the members that such a pod puts into the set, in no particular
// order.
func (s *SetSource) AppendMembers(members []ruleset.Member, p policy.Pod) []ruleset.Member {
	for _, addr := range p.Addrs {
		if ruleset.FamilyOf(addr) != s.ID.Family {
			continue
		}
		if s.ID.Kind == ruleset.Addresses {
			members = append(members, ruleset.Member{Addr: addr})
			continue
		}
		for _, number := range p.PortNumbers(s.Port) {
			m := ruleset.Member{Addr: addr, Proto: s.Port.Proto, Port: number}
			members = append(members, m)
		}
	}
	return members
}
