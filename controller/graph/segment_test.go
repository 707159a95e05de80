package graph_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

func addrs(list ...string) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range list {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs
}

// Whose pod is isolated, and which addresses are somebody's: the nodes', their ranges, and
// those of pods that no range covers.
func TestSegment(t *testing.T) {
	g := graph.New("n1", ruleset.Drop)
	pod := func(name, node, addr string) {
		g.Apply(graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "a", Name: name},
			Node: node, Addrs: addrs(addr), Labels: map[string]string{"app": name}}})
	}
	pod("web", "n1", "10.244.1.5")
	pod("odd", "n1", "10.99.0.1")
	pod("far", "n2", "10.99.0.2")
	for name, cidr := range map[string]string{"n1": "10.244.1.0/24", "n2": "10.244.0.0/24"} {
		g.Apply(graph.NodeSet{Node: policy.Node{Name: name,
			CIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}, Addrs: addrs("192.168.0.1")}})
	}
	g.Apply(graph.NodeGone{Name: "n2"})
	g.Apply(graph.NodeSet{Node: policy.Node{Name: "n3",
		CIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}}})
	g.Apply(graph.BehindSet{Addrs: g.Questions()}) // 10.99.0.1, which is outside of the range
	deny := networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "deny"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, PolicyTypes: []networkingv1.PolicyType{"Ingress"}},
	}
	g.Apply(graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "never seen"}})
	if s := g.Segment(ruleset.Wiring{Ports: []ruleset.Port{{Link: "veth1",
		Addrs: addrs("10.244.1.5")}}}); !s.Empty() {
		t.Errorf("without any policy: %v", s)
	}
	g.Apply(graph.PolicySet{Policy: policy.Parse(&deny)})
	got := g.Segment(ruleset.Wiring{Ports: []ruleset.Port{{Link: "veth1",
		Addrs: addrs("10.244.1.5")}, {Link: "veth2", Addrs: addrs("10.99.0.1")}}})
	want := ruleset.Segment{
		Ports: []ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5"), Isolated: true},
			{Link: "veth2", Addrs: addrs("10.99.0.1")}},
		Taken: []ruleset.Range{
			{First: addrs("10.99.0.1")[0], Last: addrs("10.99.0.1")[0]},
			{First: addrs("10.244.0.0")[0], Last: addrs("10.244.1.255")[0]},
			{First: addrs("192.168.0.1")[0], Last: addrs("192.168.0.1")[0]},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool {
		return a == b
	})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What holds at a pod's port follows from the policies that select it, and from whether
// bridges are filtered.
func TestPortMarks(t *testing.T) {
	type marks struct{ isolated, bound, closed bool }
	const in, out, both = `["Ingress"]`, `["Egress"]`, `["Ingress", "Egress"]`
	for name, test := range map[string]struct {
		spec                string
		strict, unfiltered  bool
		marks, unknownMarks marks
	}{
		"no policy about it": {spec: `{podSelector: {matchLabels: {app: other}}, policyTypes: ` + both + `}`, unfiltered: true},
		"ingress": {spec: `{podSelector: {}, policyTypes: ` + in + `}`,
			marks: marks{isolated: true}},
		"egress": {spec: `{podSelector: {}, policyTypes: ` + out + `}`,
			marks: marks{bound: true}},
		"all ingress":              {spec: `{podSelector: {}, ingress: [{}]}`, unfiltered: true},
		"all ingress among others": {spec: `{podSelector: {}, ingress: [{ports: [{port: 80}]}, {}, {from: [{podSelector: {}}]}]}`},
		"all ingress by one port": {spec: `{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`,
			marks: marks{isolated: true}},
		"all egress": {spec: `{podSelector: {}, policyTypes: ` + out +
			`, egress: [{}]}`, unfiltered: true, marks: marks{bound: true}},
		"unfiltered": {spec: `{podSelector: {}, policyTypes: ` + both + `}`,
			unfiltered: true, marks: marks{true, true, true}},
		"unfiltered, egress": {spec: `{podSelector: {}, policyTypes: ` + out + `}`,
			unfiltered: true, marks: marks{bound: true, closed: true}},
		"strict": {spec: `{podSelector: {matchLabels: {app: other}}}`,
			strict: true, marks: marks{bound: true}},
		"strict and unfiltered": {spec: `{podSelector: {matchLabels: {app: other}}}`,
			strict: true, unfiltered: true, marks: marks{bound: true},
			unknownMarks: marks{closed: true}},
	} {
		g := graph.New("n1", ruleset.Drop)
		if test.strict {
			g.DenyUnknown()
		}
		g.Apply(graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "a", Name: "web"},
			Node: "n1", Addrs: addrs("10.244.1.5"), Labels: map[string]string{"app": "web"}}})
		np := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p"}}
		if err := yaml.UnmarshalStrict([]byte(test.spec), &np.Spec); err != nil {
			t.Fatal(err)
		}
		g.Apply(graph.PolicySet{Policy: policy.Parse(&np)})
		w := ruleset.Wiring{Ports: []ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5")},
			{Link: "veth2"}}, Unfiltered: test.unfiltered}
		ports := g.MarkPorts(w)
		for i, want := range []marks{test.marks, test.unknownMarks} {
			if got := (marks{ports[i].Isolated, ports[i].Bound, ports[i].Closed}); got != want {
				t.Errorf("%s: port %d is %+v, want %+v", name, i+1, got, want)
			}
		}
	}
}

// A pod that everything may reach is not fenced, however many rules there are besides.
func TestEverythingAllowedAmongManyRules(t *testing.T) {
	g := graph.New("n1", ruleset.Drop)
	for _, name := range []string{"web", "twin"} {
		g.Apply(graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "a", Name: name},
			Node: "n1", Addrs: addrs(map[string]string{"web": "10.244.1.5",
				"twin": "10.244.1.6"}[name])}})
	}
	port := ruleset.Wiring{Ports: []ruleset.Port{{Link: "veth1", Addrs: addrs("10.244.1.5")}}}
	for i := range 40 {
		np, err := oracle.ParsePolicy(fmt.Sprintf("a/p%d {podSelector: {}, ingress: "+
			"[{ports: [{port: %d}], from: [{podSelector: {matchLabels: {n: %q}}}]}]}",
			i, 80+i, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		g.Apply(graph.PolicySet{Policy: policy.Parse(np)})
	}
	if !g.MarkPorts(port)[0].Isolated {
		t.Error("not isolated by 40 policies")
	}
	all := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "all"}}
	all.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
	g.Apply(graph.PolicySet{Policy: policy.Parse(&all)})
	if g.MarkPorts(port)[0].Isolated {
		t.Error("isolated though everything may reach it")
	}
}
