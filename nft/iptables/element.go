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
// 10.0.0.1,cni0. Behind a blank stands what changes its meaning, which no element of ours has.
type element string

// meanings are the words that change what an element means: it matches nothing, or more interfaces.
// Whoever adds it again with one of them changes neither the size of its set nor any rule.
var meanings = []string{"nomatch", "wildcard"}

// key is what the kernel finds an element by, and deletes it by.
func (e element) key() element {
	key, _, _ := strings.Cut(string(e), " ")
	return element(key)
}

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

// byMeaning tells the elements that are like ours from those of another meaning.
func (all elements) byMeaning() (plain, others elements) {
	plain, others = elements{}, elements{}
	for e := range all {
		if e.key() == e {
			plain[e] = true
		} else {
			others[e] = true
		}
	}
	return plain, others
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

// membersOf reads the elements of an ipset as members of a set, sorted. Prefixes that touch or overlap
// are one range, as in the blocks of a policy; a node's ranges of pods are prefixes, one each. What is
// no element of that kind is left out.
func membersOf(id ruleset.SetID, all elements) []ruleset.Member {
	var members []ruleset.Member
	for e := range all {
		if m, ok := memberOf(id, string(e)); ok {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, ruleset.Member.Compare)
	if id.Kind == ruleset.Ranges && id != ruleset.LocalRange(id.Family) {
		return joined(members)
	}
	return members
}

// asWritten returns the elements that are written for the members that some elements are read as.
func asWritten(id ruleset.SetID, read elements) elements {
	all := elements{}
	for _, m := range membersOf(id, read) {
		for _, e := range elementsOf(id, m) {
			all[e] = true
		}
	}
	return all
}

// memberOf reads one element.
func memberOf(id ruleset.SetID, text string) (m ruleset.Member, ok bool) {
	if strings.Contains(text, " ") {
		return m, false
	}
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

// joined makes one range of those that touch or overlap.
func joined(sorted []ruleset.Member) []ruleset.Member {
	var list []ruleset.Member
	for _, m := range sorted {
		last := len(list) - 1
		switch {
		case last < 0 || m.Addr.Compare(list[last].Last) > 0 && list[last].Last.Next() != m.Addr:
			list = append(list, m)
		case m.Last.Compare(list[last].Last) > 0:
			list[last].Last = m.Last
		}
	}
	return list
}

// canonical reads the words that ipset prints of an element. It writes the address as netip does:
// the C library has another form for some of IPv6.
func canonical(words []string) element {
	first, rest, more := strings.Cut(words[0], ",")
	if p, err := parsePrefix(first); err == nil {
		first = string(prefixElement(p))
	}
	if more {
		first += "," + rest
	}
	for _, word := range words[1:] {
		if slices.Contains(meanings, word) {
			first += " " + word
		}
	}
	return element(first)
}
