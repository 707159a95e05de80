package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

const maxPort = 65535

// Ports is ports of one protocol.
type Ports struct {
	Proto  ruleset.Protocol
	Ranges []ruleset.PortRange // disjoint and sorted; none: every port
}

// PortName is a named port of a pod (containers[].ports). In a rule its Number is 0.
type PortName struct {
	Name   string
	Proto  ruleset.Protocol
	Number uint16
}

// compare orders by name, then by protocol and number.
func (p PortName) compare(o PortName) int {
	return cmp.Or(strings.Compare(p.Name, o.Name), cmp.Compare(p.Proto, o.Proto),
		cmp.Compare(p.Number, o.Number))
}

// PortNumbers returns the ports of the pod that have this name and protocol.
func (p Pod) PortNumbers(want PortName) []uint16 {
	var numbers []uint16
	for _, port := range p.Ports {
		if port.Name == want.Name && port.Proto == want.Proto {
			numbers = append(numbers, port.Number)
		}
	}
	return numbers
}

// PortsOn returns the ports of the rule where its port names mean the ports of one pod.
func (r Rule) PortsOn(p Pod) []Ports {
	ports := slices.Clone(r.Ports)
	for _, name := range r.Names {
		for _, number := range p.PortNumbers(name) {
			one := []ruleset.PortRange{{First: number, Last: number}}
			ports = addPorts(ports, Ports{name.Proto, one})
		}
	}
	return ports
}

// addPorts adds ports to a list that has one entry a protocol, and leaves the list as
// it was.
func addPorts(list []Ports, more Ports) []Ports {
	return joinPorts(append(slices.Clone(list), more))
}

// joinPorts makes one entry of all entries of a protocol, in the order in which the
// protocols come. It sorts once: rules of tens of thousands of ports fit into one
// policy.
func joinPorts(list []Ports) []Ports {
	var joined []Ports
	for _, p := range list {
		at := slices.IndexFunc(joined, func(j Ports) bool { return j.Proto == p.Proto })
		switch {
		case at < 0:
			joined = append(joined, Ports{p.Proto, slices.Clone(p.Ranges)})
		case len(p.Ranges) == 0 || len(joined[at].Ranges) == 0:
			joined[at].Ranges = nil // every port
		default:
			joined[at].Ranges = append(joined[at].Ranges, p.Ranges...)
		}
	}
	for i := range joined {
		joined[i].Ranges = mergePorts(joined[i].Ranges)
	}
	return joined
}

// mergePorts makes ranges disjoint and sorted.
func mergePorts(ranges []ruleset.PortRange) []ruleset.PortRange {
	byFirst := func(a, b ruleset.PortRange) int { return int(a.First) - int(b.First) }
	slices.SortFunc(ranges, byFirst)
	var merged []ruleset.PortRange
	for _, r := range ranges {
		last := len(merged) - 1
		if last >= 0 && int(r.First) <= int(merged[last].Last)+1 {
			merged[last].Last = max(merged[last].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}
