package reach

import (
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// maxPort is the last port that there is.
const maxPort = 65535

// findPorts finds the ports that the rules of changed policies name: no pod need declare them.
func (s *states) findPorts(all []workload) {
	var named []policy.Ports
	for _, c := range s.both() {
		for _, p := range c.Policies {
			if !s.changed[p.String()] {
				continue
			}
			for _, r := range slices.Concat(p.Rules[:]...) {
				named = append(named, r.Ports...)
			}
		}
	}
	for _, d := range ruleset.Directions {
		s.named[d] = map[string][]policy.Ports{}
		for _, w := range all {
			s.named[d][w.name] = s.namedBy(w, d)
		}
	}
	s.ports = sortedPorts(append(endsOfPorts(named), besidePorts(named)...))
}

// sortedPorts returns each port once, sorted.
func sortedPorts(all []ask.Port) []ask.Port {
	slices.SortFunc(all, ask.Port.Compare)
	return slices.CompactFunc(all, ask.Port.Same)
}

// endsOfPorts returns the first and the last port of each range. Port 0 stands for those of a
// protocol that no rule names by number.
func endsOfPorts(named []policy.Ports) (ends []ask.Port) {
	for _, p := range named {
		if len(p.Ranges) == 0 {
			ends = append(ends, ask.Port{Protocol: p.Proto})
		}
		for _, r := range p.Ranges {
			ends = append(ends, ask.Port{Protocol: p.Proto, Number: r.First},
				ask.Port{Protocol: p.Proto, Number: r.Last})
		}
	}
	return ends
}

// besidePorts returns the ports right before and behind each range that are in another one: where a
// range has a gap, both of its ends can be as they were.
func besidePorts(named []policy.Ports) (beside []ask.Port) {
	for _, proto := range ruleset.Protocols {
		var all []ruleset.PortRange
		for _, p := range named {
			if p.Proto == proto {
				all = append(all, p.Ranges...)
			}
		}
		for _, r := range all {
			// Where there is none before or behind it, this is its own end.
			for _, number := range []uint16{max(r.First, 2) - 1, min(r.Last, maxPort-1) + 1} {
				if slices.ContainsFunc(all, func(o ruleset.PortRange) bool { return o.Contains(number) }) {
					beside = append(beside, ask.Port{Protocol: proto, Number: number})
				}
			}
		}
	}
	return beside
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
	return append(sortedPorts(all), ask.Port{})
}

// morePorts returns a port of each part into which all rules about two workloads divide the ports,
// but for those that rules of changed policies name.
func (s states) morePorts(from, to workload) []ask.Port {
	var named []policy.Ports
	switch {
	case len(from.groups) == 0:
		named = from.named
	case len(to.groups) == 0:
		named = to.named
	default:
		named = slices.Concat(s.named[ruleset.Egress][from.name], s.named[ruleset.Ingress][to.name])
	}
	all := endsOfPorts(named)
	// A part begins with a range, or right behind one; rules can mean what a pod declares by its
	// name.
	for _, p := range slices.Concat(all, to.ports()) {
		if 0 < p.Number && p.Number < maxPort {
			all = append(all, ask.Port{Protocol: p.Protocol, Number: p.Number + 1})
		}
	}
	// Those that pods declare were asked of these alone.
	return slices.DeleteFunc(sortedPorts(all), func(p ask.Port) bool {
		return slices.ContainsFunc(s.ports, p.Same)
	})
}

// namedBy returns the ports that policies name which isolate a workload in a direction.
func (s states) namedBy(w workload, d ruleset.Direction) (named []policy.Ports) {
	for _, c := range s.both() {
		for _, p := range decidingAbout(c, w, d) {
			for _, r := range p.Rules[d] {
				named = append(named, r.Ports...)
			}
		}
	}
	return named
}

// decidingAbout returns the policies of a state that can decide about pods of a workload in a
// direction.
func decidingAbout(c *ask.Cluster, w workload, d ruleset.Direction) (by []*policy.Policy) {
	seen := map[*policy.Policy]bool{}
	for _, g := range w.groups {
		for _, p := range deciding(c, g.Rep(), d) {
			if !seen[p] {
				seen[p], by = true, append(by, p)
			}
		}
	}
	return by
}
