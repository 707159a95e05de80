package policy

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// Policy is a NetworkPolicy as far as it could be understood. It never changes.
type Policy struct {
	Key
	Subjects *Selector
	Isolates [2]bool   // by ruleset.Direction (spec.policyTypes)
	Rules    [2][]Rule // by ruleset.Direction (spec.ingress, spec.egress)
	Problems []Problem // what could not be understood
}

// Selects reports whether the policy isolates the pod in a direction.
func (p *Policy) Selects(pod Pod, ns Namespace, d ruleset.Direction) bool {
	return p.Isolates[d] && p.Subjects.Matches(pod, ns)
}

// Rule is one entry of spec.ingress or spec.egress. A rule that names peers or ports of which none could
// be understood allows nothing.
type Rule struct {
	Index   int
	AnyPeer bool            // from or to is absent or empty
	Pods    []*Selector     // peers chosen by selectors
	Blocks  []ruleset.Range // peers chosen by ipBlocks, disjoint and sorted
	AnyPort bool            // ports is absent or empty
	Ports   []Ports         // by number, one entry a protocol
	Names   []PortName      // by name, Number 0
}

// NamesPorts reports whether a rule for ingress has a port by name.
func (p *Policy) NamesPorts() bool {
	return slices.ContainsFunc(p.Rules[ruleset.Ingress], func(r Rule) bool { return len(r.Names) > 0 })
}

// PeerPods are the selectors of the rule's peers, where it names ports that of every pod.
func (r *Rule) PeerPods() []*Selector {
	if r.AnyPeer && len(r.Names) > 0 {
		return []*Selector{EveryPod()}
	}
	return r.Pods
}

// Ports is ports of one protocol.
type Ports struct {
	Proto  ruleset.Protocol
	Ranges []ruleset.PortRange // disjoint and sorted; none: every port
}

// Problem is a part of a policy that could not be understood and so matches nothing.
type Problem struct {
	Policy Key
	*field.Error
}

func (p Problem) String() string {
	return fmt.Sprintf("NetworkPolicy %s: %s", p.Policy, p.Error.Error())
}

// AddPorts merges ports into a list that has one entry a protocol.
func AddPorts(list []Ports, proto ruleset.Protocol, ranges []ruleset.PortRange) []Ports {
	return joinPorts(append(slices.Clone(list), Ports{proto, ranges}))
}

// joinPorts makes one entry a protocol of many, in the order in which the protocols come. It sorts once: rules
// of tens of thousands of ports fit into one policy.
func joinPorts(list []Ports) []Ports {
	var joined []Ports
	for _, p := range list {
		at := slices.IndexFunc(joined, func(j Ports) bool { return j.Proto == p.Proto })
		switch {
		case at < 0:
			joined = append(joined, Ports{p.Proto, slices.Clone(p.Ranges)})
		case len(p.Ranges) == 0 || len(joined[at].Ranges) == 0:
			joined[at].Ranges = nil
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
	slices.SortFunc(ranges, func(a, b ruleset.PortRange) int { return int(a.First) - int(b.First) })
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
