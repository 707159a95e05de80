package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// lookUpRanges has ranges of ports lead to the union of the peers of all rules that
// have them, by one map a protocol. The ranges of several rules can overlap; those of a
// map must not, so that they are cut into pieces where any of them begins or ends.
func (b *builder) lookUpRanges(contributions []*contribution) {
	cuts, pieces := cutsOf(contributions, b.direction), 0
	for _, c := range contributions {
		for _, rule := range c.portLookup(b.direction).ranged {
			pieces += cuts.count(rule) * c.weight(rule)
		}
	}
	if pieces > maxPieces {
		b.tooLarge = true
		return
	}
	var merged mergedRules
	for _, c := range contributions {
		for _, rule := range c.portLookup(b.direction).ranged {
			cuts.each(rule, func(piece ruleset.PortRange) {
				rule.Ports = []ruleset.PortRange{piece}
				merged.add(rule, c)
			})
		}
	}
	b.addRangeMaps(b.addPeerChains(merged))
}

// addRangeMaps makes the maps of members that are sorted by protocol and port.
func (b *builder) addRangeMaps(all []ruleset.Member) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Proto == all[0].Proto {
			n++
		}
		source := rangeMap(all[0].Proto, joinRanges(all[:n]))
		source.Actions = b.leadsTo
		b.ranges = append(b.ranges, source)
		all = all[n:]
	}
}

// joinRanges makes one member of those that continue each other and lead to the same
// chain.
func joinRanges(members []ruleset.Member) (joined []ruleset.Member) {
	for _, m := range members {
		m.LastPort = max(m.LastPort, m.Port)
		last := len(joined) - 1
		if last >= 0 && continues(joined[last], m) {
			joined[last].LastPort = m.LastPort
			continue
		}
		joined = append(joined, m)
	}
	return joined
}

// continues reports whether b starts where a ends, and means the same.
func continues(a, b ruleset.Member) bool {
	return int(a.LastPort)+1 == int(b.Port) && a.Chain == b.Chain && a.Reason == b.Reason
}

// rangeMap is the source of a map of port ranges. It is named after all of its members,
// so that a map with that name never changes.
func rangeMap(proto ruleset.Protocol, members []ruleset.Member) SetSource {
	var text strings.Builder
	for _, m := range members {
		fmt.Fprintln(&text, m)
	}
	return SetSource{
		ID:      ruleset.SpansID(proto, text.String()),
		Comment: fmt.Sprintf("ranges of %s ports", proto), Jumps: members,
	}
}

// cuts are the ports of a protocol at which a range begins, or before which one ends,
// sorted.
type cuts map[ruleset.Protocol][]int

// cutsOf collects the ends of all ranges that are looked up.
func cutsOf(contributions []*contribution, d ruleset.Direction) cuts {
	all := cuts{}
	for _, c := range contributions {
		for _, rule := range c.portLookup(d).ranged {
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

// count returns how many pieces a rule's ranges are cut into.
func (c cuts) count(rule ruleset.Rule) (pieces int) {
	for _, r := range rule.Ports {
		first, _ := slices.BinarySearch(c[rule.Proto], int(r.First))
		after, _ := slices.BinarySearch(c[rule.Proto], int(r.Last)+1)
		pieces += after - first
	}
	return pieces
}

// each hands over the pieces that a rule's ranges are cut into.
func (c cuts) each(rule ruleset.Rule, do func(ruleset.PortRange)) {
	at := c[rule.Proto]
	for _, r := range rule.Ports {
		first, _ := slices.BinarySearch(at, int(r.First))
		for i := first; at[i] <= int(r.Last); i++ {
			do(ruleset.PortRange{First: uint16(at[i]), Last: uint16(at[i+1] - 1)})
		}
	}
}
