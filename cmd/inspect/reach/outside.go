package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Range is addresses that are no pods', as a policy writes them.
type Range struct {
	Addresses string          `json:"addresses"` // 10.0.0.0/8 but 10.1.0.0/16; "everybody outside"
	AllowedBy []string        `json:"allowedBy"` // rules; empty: the end is not isolated
	ranges    []ruleset.Range // what Addresses stands for, disjoint and sorted
}

// everything is the addresses of both families.
func everything() []ruleset.Range {
	return []ruleset.Range{ruleset.RangeOf(netip.MustParsePrefix("0.0.0.0/0")),
		ruleset.RangeOf(netip.MustParsePrefix("::/0"))}
}

// Everybody is the range of a rule without peers, and of a pod that nothing isolates.
const Everybody = "everybody outside"

// outside returns the ranges that the policies of a pod allow it in a direction, for a port; every
// port where port is nil.
func outside(c *ask.Cluster, p ask.Pod, d ruleset.Direction, port *ask.Port) []Range {
	by := c.Isolating(p, d)
	if len(by) == 0 {
		free := Range{Everybody, []string{}, everything()}
		if len(c.Auditing(p, d)) > 0 {
			free.AllowedBy = []string{Audited}
		}
		return []Range{free}
	}
	var all []Range
	for _, one := range by {
		for _, r := range one.Rules[d] {
			if !allowsPort(r, p, d, port) {
				continue
			}
			for _, x := range ranges(c.Spec(one.Key), r, d) {
				x.AllowedBy = []string{RuleName(one, d, r.Index)}
				all = add(all, x)
			}
		}
	}
	return all
}

// RuleName is how a rule is named: dns egress[0].
func RuleName(p *policy.Policy, d ruleset.Direction, index int) string {
	return fmt.Sprintf("%s %s[%d]", p.Name, d, index)
}

// add adds a range, or its rules to the range that has its text.
func add(all []Range, one Range) []Range {
	for i, x := range all {
		if x.Addresses == one.Addresses {
			all[i].AllowedBy = joined(x.AllowedBy, one.AllowedBy)
			return all
		}
	}
	return append(all, one)
}

// joined returns the rules of two lists, each once.
func joined(rules, more []string) []string {
	rules = slices.Clone(rules)
	for _, r := range more {
		if !slices.Contains(rules, r) {
			rules = append(rules, r)
		}
	}
	return rules
}

// allowsPort reports whether a rule has the port, as the subject names it; any port where port is
// nil. To what is no pod a name means none.
func allowsPort(r policy.Rule, p ask.Pod, d ruleset.Direction, port *ask.Port) bool {
	if r.AnyPort {
		return true
	}
	have := r.Ports
	if pod, counts := p.Policy(); counts && d == ruleset.Ingress {
		have = r.PortsOn(pod)
	}
	if port == nil {
		return len(have) > 0
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

// ranges returns the ipBlocks of a rule that contain anything, as they are written.
func ranges(np *networkingv1.NetworkPolicy, r policy.Rule, d ruleset.Direction) []Range {
	if r.AnyPeer {
		return []Range{{Addresses: Everybody, ranges: everything()}}
	}
	var all []Range
	for _, b := range ask.Blocks(np, d, r.Index) {
		// One that cannot be understood matches nobody.
		if of := policy.BlockRanges(b); len(of) > 0 {
			all = append(all, Range{Addresses: ask.BlockText(b), ranges: of})
		}
	}
	return all
}

// inCommon returns the ranges that are in each of several lists, with the rules of all of them that
// allow them.
func inCommon(lists [][]Range) []Range {
	all := []Range{}
	seen := map[string]bool{}
	for i, list := range lists {
		// Most pods of one end have the same policies.
		text := fmt.Sprint(list)
		switch {
		case seen[text]:
		case i == 0:
			all = append(all, list...)
		default:
			all = inBoth(all, list)
		}
		seen[text] = true
	}
	return all
}

// inBoth returns the ranges that are in two lists.
func inBoth(all, more []Range) []Range {
	both := []Range{}
	var every []ruleset.Range
	for _, b := range more {
		every = append(every, b.ranges...)
	}
	for _, a := range all {
		// A range that the other list has as a whole, in one part or several, keeps its text.
		whole := slices.Equal(policy.Intersect(a.ranges, every), a.ranges)
		for _, b := range more {
			shared := policy.Intersect(a.ranges, b.ranges)
			x := Range{a.Addresses, joined(a.AllowedBy, b.AllowedBy), a.ranges}
			switch {
			case len(shared) == 0:
				continue
			case whole:
			case slices.Equal(shared, b.ranges):
				x.Addresses, x.ranges = b.Addresses, shared
			default:
				x.Addresses, x.ranges = rangesText(shared), shared
			}
			both = add(both, x)
		}
	}
	return both
}

// rangesText writes ranges that nobody has written.
func rangesText(all []ruleset.Range) string {
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}
