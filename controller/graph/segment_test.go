package graph_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

func addrs(list ...string) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range list {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs
}

// Whose pod is isolated, and which addresses are somebody's: the nodes', their ranges, and those of pods that
// no range covers.
func TestSegment(t *testing.T) {
	g := graph.New("n1", ruleset.Drop)
	pod := func(name, node, addr string) {
		g.Apply(graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "a", Name: name}, Node: node, Addrs: addrs(addr), Labels: map[string]string{"app": name}}})
	}
	pod("web", "n1", "10.244.1.5")
	pod("odd", "n1", "10.99.0.1")
	pod("far", "n2", "10.99.0.2")
	for name, cidr := range map[string]string{"n1": "10.244.1.0/24", "n2": "10.244.0.0/24"} {
		g.Apply(graph.NodeSet{Node: policy.Node{Name: name, CIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}, Addrs: addrs("192.168.0.1")}})
	}
	g.Apply(graph.NodeGone{Name: "n2"})
	g.Apply(graph.NodeSet{Node: policy.Node{Name: "n3", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}}})
	g.Apply(graph.BehindSet{Addrs: g.Questions()}) // 10.99.0.1, which is outside of the range
	deny := networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "deny"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, PolicyTypes: []networkingv1.PolicyType{"Ingress"}},
	}
	g.Apply(graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "never seen"}})
	if s := g.Segment([]ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5")}}); len(s.Ports) > 0 {
		t.Errorf("without any policy: %v", s)
	}
	g.Apply(graph.PolicySet{Policy: policy.Parse(&deny)})
	got := g.Segment([]ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5")}, {Link: "veth2", Addrs: addrs("10.99.0.1")}})
	want := ruleset.Segment{
		Ports: []ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5"), Isolated: true}, {Link: "veth2", Addrs: addrs("10.99.0.1")}},
		Taken: []ruleset.Range{
			{First: addrs("10.99.0.1")[0], Last: addrs("10.99.0.1")[0]},
			{First: addrs("10.244.0.0")[0], Last: addrs("10.244.1.255")[0]},
			{First: addrs("192.168.0.1")[0], Last: addrs("192.168.0.1")[0]},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
