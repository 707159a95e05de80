package iptables

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// element is an element of an ipset as ipset prints it: 10.0.0.1, 10.0.0.1,tcp:80, 10.0.0.0/8 or
// 10.0.0.1,cni0.
type element string

// elements is the content of an ipset.
type elements map[element]bool

// sorted lists them in the order of their texts.
func (all elements) sorted() []element {
	list := make([]element, 0, len(all))
	for e := range all {
		list = append(list, e)
	}
	slices.Sort(list)
	return list
}

// setType is a kind of ipset and its family.
type setType struct {
	kind   string
	family ruleset.Family
}

// typeOf returns the type of ipset that holds a set of the program.
func typeOf(id ruleset.SetID) setType {
	kinds := map[ruleset.SetKind]string{
		ruleset.Addresses: "hash:ip", ruleset.AddressPorts: "hash:ip,port",
		ruleset.Ranges: "hash:net", ruleset.LinkAddresses: "hash:net,iface",
	}
	return setType{kinds[id.Kind], id.Family}
}

// mostElements is how many elements a set may have. Room that is not used costs nothing.
const mostElements = 1 << 22

// create is the line by which ipset makes a set.
func (t setType) create(name string) string {
	return fmt.Sprintf("create %s %s family %s maxelem %d", name, t.kind, families[t.family].set,
		mostElements)
}

// elementsOf returns the elements for a member of a set: several for a range that is no prefix.
func elementsOf(id ruleset.SetID, m ruleset.Member) []element {
	switch id.Kind {
	case ruleset.AddressPorts:
		return []element{element(fmt.Sprintf("%s,%s:%d", m.Addr, m.Proto, m.Port))}
	case ruleset.LinkAddresses:
		return []element{element(m.Addr.String() + "," + m.Link)}
	case ruleset.Ranges:
		var list []element
		for _, p := range prefixes(ruleset.Range{First: m.Addr, Last: m.Last}) {
			list = append(list, prefixElement(p))
		}
		return list
	default:
		return []element{element(m.Addr.String())}
	}
}

// prefixElement is an element of hash:net, where a single address stands without its length.
func prefixElement(p netip.Prefix) element {
	if p.IsSingleIP() {
		return element(p.Addr().String())
	}
	return element(p.String())
}

// prefixes splits a range into prefixes, the fewest that there are. A hash:net has none of no bits:
// that one becomes two halves.
func prefixes(r ruleset.Range) (list []netip.Prefix) {
	for at := r.First; at.IsValid() && at.Compare(r.Last) <= 0; {
		bits := at.BitLen()
		for bits > 1 && fits(netip.PrefixFrom(at, bits-1), at, r) {
			bits--
		}
		p := netip.PrefixFrom(at, bits)
		list, at = append(list, p), ruleset.RangeOf(p).Last.Next()
	}
	return list
}

// fits reports whether a prefix begins at an address and ends within a range.
func fits(p netip.Prefix, at netip.Addr, r ruleset.Range) bool {
	whole := ruleset.RangeOf(p)
	return whole.First == at && whole.Last.Compare(r.Last) <= 0
}

// membersOf reads the elements of an ipset as members of a set, sorted. Neighbouring prefixes are
// one range. What is no element of that kind is left out.
func membersOf(id ruleset.SetID, all elements) []ruleset.Member {
	var members []ruleset.Member
	for e := range all {
		if m, ok := memberOf(id, string(e)); ok {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, ruleset.Member.Compare)
	if id.Kind == ruleset.Ranges {
		return joined(members)
	}
	return members
}

// memberOf reads one element.
func memberOf(id ruleset.SetID, text string) (m ruleset.Member, ok bool) {
	first, rest, _ := strings.Cut(text, ",")
	if id.Kind == ruleset.Ranges {
		p, err := parsePrefix(first)
		r := ruleset.RangeOf(p)
		return ruleset.Member{Addr: r.First, Last: r.Last}, err == nil
	}
	addr, err := netip.ParseAddr(first)
	m.Addr = addr
	switch id.Kind {
	case ruleset.LinkAddresses:
		m.Link = rest
	case ruleset.AddressPorts:
		word, number, _ := strings.Cut(rest, ":")
		port, portErr := strconv.ParseUint(number, 10, 16)
		proto, protoErr := ruleset.ParseProtocol(word)
		m.Proto, m.Port = proto, uint16(port)
		err = cmp.Or(err, portErr, protoErr)
	}
	return m, err == nil
}

// parsePrefix reads a prefix, or a single address.
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	return netip.PrefixFrom(addr, addr.BitLen()), err
}

// joined makes one range of those that touch.
func joined(sorted []ruleset.Member) []ruleset.Member {
	var list []ruleset.Member
	for _, m := range sorted {
		if n := len(list); n > 0 && list[n-1].Last.Next() == m.Addr {
			list[n-1].Last = m.Last
			continue
		}
		list = append(list, m)
	}
	return list
}

// canonical writes the address of an element as netip does: the C library has another form for some
// of IPv6.
func canonical(text string) element {
	first, rest, more := strings.Cut(text, ",")
	if p, err := parsePrefix(first); err == nil {
		first = string(prefixElement(p))
	}
	if more {
		first += "," + rest
	}
	return element(first)
}
