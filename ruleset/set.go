package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// SetKind says what the members of a set are.
type SetKind uint8

// The kinds of set.
const (
	Addresses    SetKind = iota // Member.Addr
	AddressPorts                // Member.Addr, Member.Proto, Member.Port
	Ranges                      // Member.Addr to Member.Last; the ranges of a set are disjoint
	// Member.Proto and Member.Port to Member.Chain: a chain's own, see PortsOf
	PortMap
	// the ports from Member.Port to Member.LastPort, disjoint, to Member.Chain; see SpansID
	PortRanges
	LinkAddresses // Member.Link, Member.Addr
	ProtoPorts    // Member.Proto, Member.Port, of no family
)

// SetID names a set. Key comes from the identity of what the set is made from (a selector, a
// selector and a port name, a list of CIDRs), never from its members: a set keeps its name while
// its members change.
type SetID struct {
	Kind   SetKind
	Family Family
	Key    string // letters, digits and dashes
}

// PortsOf names the set by which a chain looks up which chain decides about a port.
func PortsOf(id ChainID) SetID { return SetID{Kind: PortMap, Key: string(id)} }

// SpansID names a map from ranges of a protocol's ports to chains after all that it says: it
// never changes.
func SpansID(p Protocol, identity string) SetID {
	return SetID{Kind: PortRanges, Key: p.String() + "-" + Digest(identity)}
}

// Protocol is whose ports a set of kind PortRanges holds.
func (id SetID) Protocol() Protocol {
	word, _, _ := strings.Cut(id.Key, "-")
	p, _ := ParseProtocol(word)
	return p
}

// HoldsRanges reports whether the members are ranges, which must be disjoint: one that stays can be
// in the way of one that comes.
func (id SetID) HoldsRanges() bool { return id.Kind == Ranges || id.Kind == PortRanges }

// Leads reports whether the members lead to chains.
func (id SetID) Leads() bool { return id.Kind == PortMap || id.Kind == PortRanges }

// String is the name in the kernel: pods4-<key>, ports6-<key>, cidrs4-<key>, links4-<key>,
// ports-<key>, spans-tcp-<key>, or that of the chain.
func (id SetID) String() string {
	switch id.Kind {
	case PortMap:
		return id.Key
	case PortRanges:
		return "spans-" + id.Key
	case ProtoPorts:
		return "ports-" + id.Key
	}
	prefix := [...]string{Addresses: "pods", AddressPorts: "ports", Ranges: "cidrs",
		LinkAddresses: "links"}[id.Kind]
	return prefix + strconv.Itoa(int(id.Family)) + "-" + id.Key
}

// Compare orders identifiers by their names.
func (id SetID) Compare(other SetID) int {
	return cmp.Or(cmp.Compare(id.Kind, other.Kind), cmp.Compare(id.Family, other.Family),
		cmp.Compare(id.Key, other.Key))
}

// Set is a named collection of peers, shared by every rule that means the same peers.
type Set struct {
	ID      SetID
	Comment string   // what it is made from, for people: "pods app=web in namespace default"
	Members []Member // sorted, unique
}

// Member is one element of a set; SetKind says which fields it has, the others are zero.
type Member struct {
	Link     string     `json:",omitzero"` // an interface of the node
	Addr     netip.Addr `json:",omitzero"`
	Last     netip.Addr `json:",omitzero"`
	Proto    Protocol   `json:",omitzero"`
	Port     uint16     `json:",omitzero"`
	LastPort uint16     `json:",omitzero"`
	Chain    ChainID    `json:",omitzero"` // of peers, without ports
	Reason   Reason     `json:",omitzero"` // the origins of what that chain allows
}

// Compare orders members by address, protocol and port, and what these lead to.
func (m Member) Compare(o Member) int {
	if order := m.Addr.Compare(o.Addr); order != 0 {
		return order // nearly always: sets of tens of thousands are sorted
	}
	order := cmp.Or(m.Last.Compare(o.Last), cmp.Compare(m.Proto, o.Proto),
		cmp.Compare(m.Port, o.Port), cmp.Compare(m.LastPort, o.LastPort))
	return cmp.Or(order, cmp.Compare(m.Link, o.Link), cmp.Compare(m.Chain, o.Chain),
		cmp.Compare(m.Reason, o.Reason))
}

// String prints the fields that the member has, and for one of a map the chain that it leads to.
func (m Member) String() string {
	switch {
	case m.Chain != "" && m.LastPort > 0:
		return fmt.Sprintf("%s %s -> %s  # %s", m.Proto, PortRange{m.Port, m.LastPort}, m.Chain,
			m.Reason)
	case m.Chain != "":
		return fmt.Sprintf("%s %d -> %s  # %s", m.Proto, m.Port, m.Chain, m.Reason)
	case m.Link != "":
		return m.Link + " " + m.Addr.String()
	case m.Last.IsValid():
		return Range{m.Addr, m.Last}.String()
	case !m.Addr.IsValid():
		return fmt.Sprintf("%s %d", m.Proto, m.Port)
	case m.Proto != AnyProtocol:
		return fmt.Sprintf("%s %s %d", m.Addr, m.Proto, m.Port)
	default:
		return m.Addr.String()
	}
}

// holds reports whether the peer of a flow, spoken to at its port, is a member of s.
func (s Set) holds(peer netip.Addr, proto Protocol, port uint16) bool {
	want := Member{Addr: peer}
	if s.ID.Kind == AddressPorts {
		want.Proto, want.Port = proto, port
	}
	at, found := slices.BinarySearchFunc(s.Members, want, Member.Compare)
	if s.ID.Kind != Ranges {
		return found
	}
	// The range that could hold the peer starts there or is the one before.
	for _, m := range s.Members[max(at-1, 0):min(at+1, len(s.Members))] {
		if (Range{m.Addr, m.Last}).Contains(peer) {
			return true
		}
	}
	return false
}

// jump finds the member of a set that leads the packets to a port to a chain.
func (s Set) jump(proto Protocol, port uint16) (Member, bool) {
	at := sort.Search(len(s.Members), func(i int) bool {
		m := s.Members[i]
		return cmp.Or(cmp.Compare(m.Proto, proto), cmp.Compare(max(m.Port, m.LastPort), port)) >= 0
	})
	if at == len(s.Members) || s.Members[at].Proto != proto || s.Members[at].Port > port {
		return Member{}, false
	}
	return s.Members[at], true
}

// text writes the canonical text of a set: its name and comment, then a line for each member.
func (s Set) text(b *strings.Builder) {
	fmt.Fprintf(b, "set %s  # %s\n", s.ID, s.Comment)
	for _, m := range s.Members {
		fmt.Fprintf(b, "  %s\n", m)
	}
}
