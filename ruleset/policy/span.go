package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// byRange has ranges of ports lead to the union of the peers of all rules that have them, by one map a protocol. The
// ranges of rules overlap, those of the maps do not.
func (a *assembly) byRange(parts []*part) {
	edges, pieces := edgesOf(parts, a.direction), 0
	for _, x := range parts {
		for _, rule := range x.lookup(a.direction).wide {
			pieces += edges.pieces(rule) * x.weight(rule)
		}
	}
	if pieces > maxPieces {
		a.endless = true
		return
	}
	var cut pools
	for _, x := range parts {
		for _, rule := range x.lookup(a.direction).wide {
			edges.cut(rule, func(piece ruleset.PortRange) {
				rule.Ports = []ruleset.PortRange{piece}
				cut.take(rule, x)
			})
		}
	}
	a.addSpans(a.lead(cut))
}

// addSpans makes the maps, of members that are sorted by protocol and port.
func (a *assembly) addSpans(all []ruleset.Member) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Proto == all[0].Proto {
			n++
		}
		a.spans = append(a.spans, spanSet(all[0].Proto, joinSpans(all[:n])))
		all = all[n:]
	}
}

// joinSpans makes one of ranges that touch and lead to the same.
func joinSpans(list []ruleset.Member) (joined []ruleset.Member) {
	for _, m := range list {
		m.LastPort = max(m.LastPort, m.Port)
		last := len(joined) - 1
		if last >= 0 && int(joined[last].LastPort)+1 == int(m.Port) && joined[last].Chain == m.Chain && joined[last].Reason == m.Reason {
			joined[last].LastPort = m.LastPort
			continue
		}
		joined = append(joined, m)
	}
	return joined
}

// spanSet is named after all that it says, so that it never changes.
func spanSet(proto ruleset.Protocol, members []ruleset.Member) SetSource {
	var text strings.Builder
	for _, m := range members {
		fmt.Fprintln(&text, m)
	}
	return SetSource{ID: ruleset.SpansID(proto, text.String()), Comment: fmt.Sprintf("ranges of %s ports", proto), Jumps: members}
}

// edges are where ranges of ports begin, or have ended, by protocol, sorted.
type edges map[ruleset.Protocol][]int

func edgesOf(parts []*part, d ruleset.Direction) edges {
	all := edges{}
	for _, x := range parts {
		for _, rule := range x.lookup(d).wide {
			for _, r := range rule.Ports {
				all[rule.Proto] = append(all[rule.Proto], int(r.First), int(r.Last)+1)
			}
		}
	}
	for proto, list := range all {
		slices.Sort(list)
		all[proto] = slices.Compact(list)
	}
	return all
}

// pieces says into how many pieces the edges cut a rule's ranges.
func (e edges) pieces(rule ruleset.Rule) (pieces int) {
	for _, r := range rule.Ports {
		first, _ := slices.BinarySearch(e[rule.Proto], int(r.First))
		after, _ := slices.BinarySearch(e[rule.Proto], int(r.Last)+1)
		pieces += after - first
	}
	return pieces
}

// cut hands these over.
func (e edges) cut(rule ruleset.Rule, each func(ruleset.PortRange)) {
	at := e[rule.Proto]
	for _, r := range rule.Ports {
		first, _ := slices.BinarySearch(at, int(r.First))
		for i := first; at[i] <= int(r.Last); i++ {
			each(ruleset.PortRange{First: uint16(at[i]), Last: uint16(at[i+1] - 1)})
		}
	}
}
