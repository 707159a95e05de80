package reach

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// findAsked finds the ports and addresses that the rules of changed policies name: what they let
// through need not be declared by a pod.
func (s *states) findAsked() {
	var blocks []ruleset.Range
	for _, r := range s.changedRules() {
		blocks = append(blocks, r.Blocks...)
		for _, p := range r.Ports {
			s.ports = append(s.ports, endsOfPorts(p)...)
		}
	}
	slices.SortFunc(s.ports, ask.Port.Compare)
	s.ports = slices.CompactFunc(s.ports, ask.Port.Same)
	internet := s.before.Outside()
	s.outside = []workload{{name: ask.Internet, addrs: internet}}
	for _, part := range parted(blocks) {
		if a, ok := s.addrIn(part); ok && !slices.ContainsFunc(internet, part.Contains) {
			s.outside = append(s.outside, workload{name: part.String(), addrs: []netip.Addr{a}})
		}
	}
}

// changedRules returns all rules of the changed policies, before and after.
func (s *states) changedRules() (rules []policy.Rule) {
	for _, c := range []*ask.Cluster{s.before, s.after} {
		for _, p := range c.Policies {
			if slices.Contains(s.changed, p.String()) {
				rules = append(rules, slices.Concat(p.Rules[:]...)...)
			}
		}
	}
	return rules
}

// endsOfPorts returns the first and the last port of each range: where two sets of ranges differ, they
// do at one of these. Port 0 stands for those of a protocol that no rule names.
func endsOfPorts(p policy.Ports) []ask.Port {
	if len(p.Ranges) == 0 {
		return []ask.Port{{Protocol: p.Proto}}
	}
	var ends []ask.Port
	for _, r := range p.Ranges {
		ends = append(ends, ask.Port{Protocol: p.Proto, Number: r.First},
			ask.Port{Protocol: p.Proto, Number: r.Last})
	}
	return ends
}

// parted cuts ranges where one of them begins or ends: each part is in a range as a whole, or not at
// all. It returns those that are in one, sorted.
func parted(ranges []ruleset.Range) (parts []ruleset.Range) {
	var begins []netip.Addr
	for _, r := range ranges {
		begins = append(begins, r.First)
		if next := r.Last.Next(); next.IsValid() {
			begins = append(begins, next)
		}
	}
	slices.SortFunc(begins, netip.Addr.Compare)
	begins = slices.Compact(begins)
	whole := policy.Union(slices.Clone(ranges))
	for i, first := range begins {
		for len(whole) > 0 && whole[0].Last.Less(first) {
			whole = whole[1:]
		}
		if len(whole) == 0 || !whole[0].Contains(first) {
			continue
		}
		last := whole[0].Last
		if i+1 < len(begins) && begins[i+1].Compare(last) <= 0 {
			last = begins[i+1].Prev()
		}
		parts = append(parts, ruleset.Range{First: first, Last: last})
	}
	return parts
}

// addrIn returns an address of a range that no pod has: pods are asked about by themselves.
func (s *states) addrIn(r ruleset.Range) (netip.Addr, bool) {
	first := r.First
	if first.IsUnspecified() {
		first = first.Next() // no packet comes from it
	}
	for _, a := range []netip.Addr{first, r.Last} {
		if r.Contains(a) && !s.before.HasPodAt(a) && !s.after.HasPodAt(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// addLinks adds the ports between two workloads that are cut or opened.
func (d *Diff) addLinks(s states, from, to workload) {
	if len(from.groups)+len(to.groups) == 0 {
		return // both are outside
	}
	for _, port := range s.portsOf(to) {
		var cut, opened change
		s.eachPair(from, to, port, func(flows []ruleset.Flow, pairs int) {
			was, is := lets(s.before, flows), lets(s.after, flows)
			cut.add(was, is, pairs)
			opened.add(is, was, pairs)
		})
		link := Link{From: from.name, To: to.name, Port: portName(port)}
		if cut.pairs > 0 {
			d.Cuts = append(d.Cuts, cut.of(link))
		}
		if opened.pairs > 0 {
			d.Opens = append(d.Opens, opened.of(link))
		}
	}
}

// webPort is what is asked of the internet, whatever rules name.
var webPort = ask.Port{Protocol: ruleset.TCP, Number: 443}

// portsOf returns the ports of a workload that are asked about. The last is what has none, ICMP for
// instance.
func (s states) portsOf(to workload) []ask.Port {
	all := slices.Concat(to.ports(), s.ports)
	if to.name == ask.Internet {
		all = append(all, webPort)
	}
	slices.SortFunc(all, ask.Port.Compare)
	return append(slices.CompactFunc(all, ask.Port.Same), ask.Port{})
}

// change is between how many pairs flows are cut, or opened.
type change struct {
	pairs    int
	has, can map[ruleset.Family]bool // families in which they are, of those that there are
}

// add counts pairs where a family was let through that is not any more.
func (c *change) add(was, is map[ruleset.Family]bool, pairs int) {
	if c.can == nil {
		c.has, c.can = map[ruleset.Family]bool{}, map[ruleset.Family]bool{}
	}
	changes := false
	for f := range was {
		c.can[f] = true
		if was[f] && !is[f] {
			c.has[f], changes = true, true
		}
	}
	if changes {
		c.pairs += pairs
	}
}

// of completes a link.
func (c *change) of(l Link) Link {
	l.Pairs = c.pairs
	for f := range c.has {
		if len(c.has) < len(c.can) {
			l.Family = f.String()
		}
	}
	return l
}

// lets says of each family of some flows whether all of them get all the way.
func lets(c *ask.Cluster, flows []ruleset.Flow) map[ruleset.Family]bool {
	all := map[ruleset.Family]bool{}
	for _, f := range flows {
		family := ruleset.FamilyOf(f.From)
		before, known := all[family]
		all[family] = c.Allowed(f) && (before || !known)
	}
	return all
}

// eachPair hands over the flows between a pair of pods, or of a pod and what is outside, and for how
// many pairs they stand. Pairs about which no changed policy decides are left out.
func (s states) eachPair(
	from, to workload, port ask.Port, each func(flows []ruleset.Flow, pairs int),
) {
	switch {
	case len(from.groups) == 0:
		for _, b := range to.groups {
			if s.canChange(ruleset.Ingress, b) && s.serves(b, port) {
				each(ask.Flows(from.addrs, b.Rep().Addrs, port), len(b.Pods))
			}
		}
	case len(to.groups) == 0:
		for _, a := range from.groups {
			if s.canChange(ruleset.Egress, a) {
				each(ask.Flows(a.Rep().Addrs, to.addrs, port), len(a.Pods))
			}
		}
	default:
		for _, a := range from.groups {
			for _, b := range to.groups {
				can := s.canChange(ruleset.Egress, a) || s.canChange(ruleset.Ingress, b)
				if !can || !s.serves(b, port) {
					continue
				}
				if flows, ok := flowsBetween(a, b, port); ok {
					each(flows, countPairs(a, b))
				}
			}
		}
	}
}

// serves reports whether the pods of a group are asked about a port: they can have it, or a rule
// names it.
func (s states) serves(g ask.Group, port ask.Port) bool {
	return serves(g, port) || slices.ContainsFunc(s.ports, port.Same)
}
