package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rule matches the packets of one protocol between the subject and a peer, and says what becomes
// of them.
type Rule struct {
	Peer   Peer
	Proto  Protocol    // AnyProtocol: everything, ICMP too
	Ports  []PortRange // the destination's, disjoint and sorted; none: every port of Proto
	Action Action      `json:",omitzero"`
	// sorted; several where policies say the same, none in a chain that a PortMap leads to
	Origins []Origin
}

// String names the peer, the protocol and the ports, and behind a # the origins, but not the
// action.
func (r Rule) String() string {
	words := []string{r.Peer.String(), r.Proto.String()}
	if len(r.Ports) > 0 {
		words = append(words, join(r.Ports, ","))
	}
	if len(r.Origins) == 0 {
		return strings.Join(words, " ")
	}
	return fmt.Sprintf("%-40s # %s", strings.Join(words, " "), ReasonOf(r.Origins))
}

// Same reports whether two rules do the same with the same packets; their origins may differ.
func (r Rule) Same(o Rule) bool {
	return r.Action == o.Action && r.Peer == o.Peer && r.Proto == o.Proto &&
		slices.Equal(r.Ports, o.Ports)
}

// MatchesAll reports whether a rule matches every packet, from or to anybody.
func (r Rule) MatchesAll() bool {
	return r.Peer == Peer{} && r.Proto == AnyProtocol && len(r.Ports) == 0
}

// Peer is who a rule speaks of: the members of a set, the addresses of a prefix or, as its zero
// value, everybody in both families.
type Peer struct {
	Set    SetID        // when its Key is not empty
	Prefix netip.Prefix // when it is valid
}

// InSet is the peer that the members of a set are.
func InSet(id SetID) Peer { return Peer{Set: id} }

// InPrefix is the peer that the addresses of a prefix are.
func InPrefix(p netip.Prefix) Peer { return Peer{Prefix: p.Masked()} }

// HasSet reports whether the peer is a set.
func (p Peer) HasSet() bool { return p.Set.Key != "" }

// Compare orders peers: everybody, prefixes, sets.
func (p Peer) Compare(o Peer) int {
	if order := p.Set.Compare(o.Set); order != 0 || p.Prefix == o.Prefix {
		return order
	}
	return p.Prefix.Compare(o.Prefix)
}

// String is the name of a set behind an @, a prefix, or anyone.
func (p Peer) String() string {
	switch {
	case p.HasSet():
		return "@" + p.Set.String()
	case p.Prefix.IsValid():
		return p.Prefix.String()
	default:
		return "anyone"
	}
}

// join prints items with a separator between them.
func join[T fmt.Stringer](items []T, separator string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, separator)
}
