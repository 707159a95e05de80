package reach

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Range is addresses that are no pods', as a policy writes them.
type Range struct {
	Addresses string   `json:"addresses"` // 10.0.0.0/8 but 10.1.0.0/16; "everybody outside"
	AllowedBy []string `json:"allowedBy"` // rules; empty: the end is not isolated
}

// Everybody is the range of a rule without peers, and of a pod that nothing isolates.
const Everybody = "everybody outside"

// outside returns the ranges that the policies of a pod allow it in a direction, for a port; every
// port where port is nil.
func outside(c *ask.Cluster, p ask.Pod, d ruleset.Direction, port *ask.Port) []Range {
	by := c.Isolating(p, d)
	if len(by) == 0 {
		return []Range{{Everybody, []string{}}}
	}
	var all []Range
	for _, one := range by {
		for _, r := range one.Rules[d] {
			if !allowsPort(r, p, d, port) {
				continue
			}
			for _, text := range ranges(c.Spec(one.Key), r, d) {
				all = add(all, text, RuleName(one, d, r.Index))
			}
		}
	}
	return all
}

// RuleName is how a rule is named: dns egress[0].
func RuleName(p *policy.Policy, d ruleset.Direction, index int) string {
	return fmt.Sprintf("%s %s[%d]", p.Name, d, index)
}

// add adds a rule to the range that has this text.
func add(all []Range, text, rule string) []Range {
	for i := range all {
		if all[i].Addresses == text {
			all[i].AllowedBy = append(all[i].AllowedBy, rule)
			return all
		}
	}
	return append(all, Range{text, []string{rule}})
}

// allowsPort reports whether a rule has the port, as the subject names it.
func allowsPort(r policy.Rule, p ask.Pod, d ruleset.Direction, port *ask.Port) bool {
	if r.AnyPort || port == nil {
		return true
	}
	have := r.Ports
	if pod, counts := p.Policy(); counts && d == ruleset.Ingress {
		have = r.PortsOn(pod)
	}
	for _, ports := range have {
		in := func(x ruleset.PortRange) bool { return x.Contains(port.Number) }
		if ports.Proto == port.Protocol &&
			(len(ports.Ranges) == 0 || slices.ContainsFunc(ports.Ranges, in)) {
			return true
		}
	}
	return false
}

// ranges returns the ipBlocks of a rule that can be understood, as they are written.
func ranges(np *networkingv1.NetworkPolicy, r policy.Rule, d ruleset.Direction) []string {
	if r.AnyPeer {
		return []string{Everybody}
	}
	if len(r.Blocks) == 0 {
		return nil
	}
	return ask.BlockTexts(np, d, r.Index)
}
