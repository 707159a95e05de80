package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// SetSource says what a set is made from: the addresses of pods, their ports of one name, or ranges that
// stay as they are.
type SetSource struct {
	ID        ruleset.SetID
	Comment   string
	Selectors []*policy.Selector // for Addresses, of pods that any of them selects, and for AddressPorts, one
	Port      policy.PortName    // for AddressPorts
	Ranges    []ruleset.Range    // for Ranges
	Jumps     []ruleset.Member   // for PortMap and PortRanges
}

// unite returns the union of sets of addresses of one family; sets of another kind come alone.
func unite(sources []*SetSource) SetSource {
	if len(sources) == 1 {
		return *sources[0]
	}
	sources = slices.Clone(sources)
	slices.SortFunc(sources, func(a, b *SetSource) int { return strings.Compare(a.Comment, b.Comment) })
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

// Matches reports whether the pod of that namespace is one of those whose addresses or ports the set holds.
func (s SetSource) Matches(p policy.Pod, ns policy.Namespace) bool {
	return slices.ContainsFunc(s.Selectors, func(one *policy.Selector) bool { return one.Matches(p, ns) })
}

func podSet(s *policy.Selector, f ruleset.Family) SetSource {
	return SetSource{ID: ruleset.SetID{Kind: ruleset.Addresses, Family: f, Key: s.Digest()}, Comment: s.String(), Selectors: []*policy.Selector{s}}
}

func namedSet(s *policy.Selector, port policy.PortName, f ruleset.Family) SetSource {
	comment := fmt.Sprintf("%s port %s of %s", port.Proto, port.Name, s)
	return SetSource{ID: setID(ruleset.AddressPorts, f, comment), Comment: comment, Selectors: []*policy.Selector{s}, Port: port}
}

func blockSet(ranges []ruleset.Range, f ruleset.Family) SetSource {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	comment := strings.Join(texts, ", ")
	return SetSource{ID: setID(ruleset.Ranges, f, comment), Comment: comment, Ranges: ranges}
}

func setID(kind ruleset.SetKind, f ruleset.Family, identity string) ruleset.SetID {
	return ruleset.SetID{Kind: kind, Family: f, Key: ruleset.Digest(identity)}
}

// Fixed returns the members that do not depend on pods.
func (s SetSource) Fixed() []ruleset.Member {
	members := slices.Clone(s.Jumps)
	for _, r := range s.Ranges {
		members = append(members, ruleset.Member{Addr: r.First, Last: r.Last})
	}
	return members
}

// Members returns the elements that a pod which the selector matches puts into the set, sorted.
func (s SetSource) Members(p policy.Pod) []ruleset.Member {
	members := s.AppendMembers(nil, p)
	slices.SortFunc(members, ruleset.Member.Compare)
	return members
}

// AppendMembers appends these elements to a list, in no particular order.
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
			members = append(members, ruleset.Member{Addr: addr, Proto: s.Port.Proto, Port: number})
		}
	}
	return members
}
