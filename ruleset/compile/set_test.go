package compile

import (
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// podsOf selects all pods of a namespace.
func podsOf(t *testing.T, namespace string) *policy.Selector {
	t.Helper()
	p := &networkingv1.NetworkPolicy{}
	p.Namespace = namespace
	return policy.Parse(p).Subjects
}

func ranges(texts ...string) []ruleset.Range {
	var list []ruleset.Range
	for _, text := range texts {
		list = append(list, ruleset.RangeOf(netip.MustParsePrefix(text)))
	}
	return list
}

// Sets of one selector share its identity; kinds, families, port names and protocols tell
// them apart.
func TestSetIdentity(t *testing.T) {
	s := podsOf(t, "a")
	everyPod, names := policy.EveryPod(), map[string]bool{}
	count := 0
	for _, f := range ruleset.Families {
		for _, source := range []SetSource{podSet(s, f), podSet(everyPod, f),
			namedPortSet(s, policy.PortName{Name: "web", Proto: ruleset.TCP}, f),
			namedPortSet(s, policy.PortName{Name: "web", Proto: ruleset.UDP}, f),
			namedPortSet(s, policy.PortName{Name: "dns", Proto: ruleset.TCP}, f),
			namedPortSet(everyPod, policy.PortName{Name: "web", Proto: ruleset.TCP}, f),
			rangeSet(ranges("10.0.0.0/8"), f), rangeSet(ranges("10.0.0.0/9"), f),
			rangeSet(ranges("10.0.0.0/8", "11.0.0.0/32"), f)} {
			names[source.ID.String()] = true
			count++
		}
	}
	if len(names) != count {
		t.Errorf("%d sets, %d names: %v", count, len(names), names)
	}
	if a, b := podSet(podsOf(t, "a"), ruleset.IPv4), podSet(s, ruleset.IPv4); a.ID != b.ID {
		t.Errorf("%s and %s", a.ID, b.ID)
	}
}
