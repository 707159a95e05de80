package graph_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

func denyAll(namespace string) graph.Event {
	return graph.PolicySet{Policy: policy.Parse(
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			Name: "deny"}})}
}

func podAt(node, id, start string, list ...string) graph.Event {
	p := policy.Pod{Node: node, Addrs: addrs(list...), Started: int64(start[0])}
	p.Namespace, p.Name, _ = strings.Cut(id, "/")
	return graph.PodSet{Pod: p}
}

func nodeOf(name, cidr string, list ...string) graph.Event {
	return graph.NodeSet{Node: policy.Node{Name: name,
		CIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}, Addrs: addrs(list...)}}
}

// dispatched returns the addresses of isolated pods, with their chains.
func dispatched(g *graph.Graph) string {
	var words []string
	for _, d := range g.Program().Dispatch {
		words = append(words, fmt.Sprintf("%s=%s", d.Addr, strings.TrimPrefix(string(d.Chain),
			"ingress/")))
	}
	return strings.Join(words, " ")
}

// isolatedBefore says whom an earlier process has isolated: the pod that is there still, and one
// that no object tells of, in one direction.
var isolatedBefore = graph.IsolatedSet{Dispatch: map[ruleset.Subject]ruleset.ChainID{
	{Direction: ruleset.Ingress, Addr: netip.MustParseAddr("10.244.1.5")}: "ingress/a/web",
	{Direction: ruleset.Ingress, Addr: netip.MustParseAddr("10.244.1.7")}: "ingress/a/job",
}}

// ends says that the namespace of these pods terminates, and that its policy is deleted.
var ends = []graph.Event{graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "deny"}},
	graph.NamespaceSet{Namespace: policy.Namespace{Name: "a", Terminating: true}}}

// What is dispatched at an isolated pod's addresses, whatever others claim.
func TestClaimsOnlyIsolateMore(t *testing.T) {
	const whole = "10.244.1.5=a/web fd00:1::5=a/web"
	const withUnnamed = "10.244.1.5=a/web 10.244.1.7=by_address/10.244.1.7 fd00:1::5=a/web"
	for _, row := range []struct {
		name   string
		events []graph.Event
		want   string
	}{
		{"nobody", nil, whole},
		{"a pod of another node", []graph.Event{podAt("n2", "b/thief", "9", "10.244.1.5",
			"fd00:1::5")}, whole},
		{"a Node object", []graph.Event{nodeOf("n2", "10.244.2.0/24", "10.244.1.5", "fd00:1::5")},
			whole},
		{"a later pod of its node, in one family",
			[]graph.Event{podAt("n1", "b/twin", "9", "10.244.1.5")},
			"10.244.1.5=by_address/10.244.1.5 fd00:1::5=a/web"},
		{"which is over", []graph.Event{podAt("n1", "b/twin", "9", "10.244.1.5"),
			graph.PodGone{Key: policy.Key{Namespace: "b", Name: "twin"}}}, whole},
		{"its node is deleted", []graph.Event{graph.NodeGone{Name: "n1"}, podAt("n2", "b/thief",
			"9", "10.244.1.5")}, whole},
		{"the kernel has one of them", []graph.Event{graph.HostSet{Own: addrs("10.244.1.5")}},
			"fd00:1::5=a/web"},
		{"gone, and nobody asked", []graph.Event{graph.PodGone{Key: policy.Key{Namespace: "a",
			Name: "web"}}}, "10.244.1.5=by_address/10.244.1.5 fd00:1::5=by_address/fd00-1--5"},
		{"gone, and one address is behind its interface", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}},
			graph.BehindSet{Addrs: addrs("fd00:1::5")},
		}, "fd00:1::5=by_address/fd00-1--5"},
		{"gone, and another has its address", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}}, podAt("n1", "b/next", "9",
				"10.244.1.5"),
		}, "fd00:1::5=by_address/fd00-1--5"},
		{"gone, and back elsewhere", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}}, podAt("n1", "a/web", "9",
				"10.244.1.6"),
		}, "10.244.1.5=by_address/10.244.1.5 10.244.1.6=a/web fd00:1::5=by_address/fd00-1--5"},
		{"the namespace ends with it", []graph.Event{
			graph.NamespaceSet{Namespace: policy.Namespace{Name: "a", Terminating: true}},
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}},
			graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "deny"}},
			graph.NamespaceGone{Name: "a"}, graph.BehindSet{Addrs: addrs("10.244.1.5")},
		}, "10.244.1.5=by_address/10.244.1.5"},
		{"the namespace is gone before its policy", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}},
			graph.NamespaceGone{Name: "a"},
			graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "deny"}},
			graph.BehindSet{Addrs: addrs("10.244.1.5")},
		}, "10.244.1.5=by_address/10.244.1.5"},
		{"and another pod takes what was left", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}},
			graph.NamespaceGone{Name: "a"},
			graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "deny"}},
			podAt("n1", "b/heir", "9", "10.244.1.5", "fd00:1::5"), podAt("n1", "a/new", "9",
				"10.244.1.6"),
		}, ""},
		{"and nothing is left", []graph.Event{
			graph.PodGone{Key: policy.Key{Namespace: "a", Name: "web"}},
			graph.NamespaceGone{Name: "a"},
			graph.PolicyGone{Key: policy.Key{Namespace: "a", Name: "deny"}}, graph.BehindSet{},
			podAt("n1", "a/new", "9", "10.244.1.5"),
		}, ""},
		{"others were isolated by an earlier process", []graph.Event{isolatedBefore},
			withUnnamed},
		{"and nobody is there", []graph.Event{isolatedBefore, graph.BehindSet{}}, whole},
		{"and somebody is there", []graph.Event{isolatedBefore,
			graph.BehindSet{Addrs: addrs("10.244.1.7")}, podAt("n1", "b/new", "9", "10.244.1.8")},
			withUnnamed},
		{"and another has the address", []graph.Event{isolatedBefore, podAt("n1", "b/heir", "9",
			"10.244.1.7"), graph.BehindSet{}}, whole},
		{"and another had it at once", []graph.Event{podAt("n1", "b/heir", "9", "10.244.1.7"),
			isolatedBefore}, whole},
		{"and the kernel has it by now", []graph.Event{graph.HostSet{Own: addrs("10.244.1.7")},
			isolatedBefore}, whole},
		{"and its policy went before the pod", append(ends[:2:2], isolatedBefore), withUnnamed},
		{"and the pod follows", append(ends[:2:2], isolatedBefore, graph.PodGone{Key: policy.Key{
			Namespace: "a", Name: "web"}}, graph.BehindSet{}, podAt("n1", "a/web", "9", "10.244.1.5")),
			""},
		{"and its policy went, but it does not terminate", append(ends[:1:1], isolatedBefore),
			"10.244.1.7=by_address/10.244.1.7"},
		{"and another pod has the address while it terminates", append(ends[:2:2], graph.PodGone{
			Key: policy.Key{Namespace: "a", Name: "web"}}, podAt("n1", "a/new", "9", "10.244.1.5"),
			graph.BehindSet{}, isolatedBefore), "10.244.1.7=by_address/10.244.1.7"},
	} {
		g := graph.New("n1", ruleset.Drop)
		g.KeepDeparted()
		for _, e := range slices.Concat([]graph.Event{
			nodeOf("n1", "10.244.1.0/24", "10.77.0.11"), nodeOf("n2", "10.244.2.0/24",
				"10.77.0.12"), podAt("n1", "a/web", "1", "10.244.1.5", "fd00:1::5"), denyAll("a"),
		}, row.events) {
			g.Apply(e)
		}
		if got := dispatched(g); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// The last known range of a family stays when the object of the node goes, or says no more
// of it.
func TestRangeOutlivesItsNode(t *testing.T) {
	prefix := netip.MustParsePrefix
	g := graph.New("n1", ruleset.Drop)
	g.DenyUnknown()
	for _, step := range []struct {
		event graph.Event
		want  string
	}{
		{graph.NodeSet{Node: policy.Node{Name: "n1", CIDRs: []netip.Prefix{prefix("10.244.1.0/24"),
			prefix("fd00:1::/64")}}}, "[10.244.1.0/24 fd00:1::/64]"},
		{graph.NodeSet{Node: policy.Node{Name: "n1"}}, "[10.244.1.0/24 fd00:1::/64]"},
		{graph.NodeGone{Name: "n1"}, "[10.244.1.0/24 fd00:1::/64]"},
		{graph.HostSet{Ranges: []netip.Prefix{prefix("10.9.0.0/24")}},
			"[10.244.1.0/24 fd00:1::/64]"},
		{graph.NodeSet{Node: policy.Node{Name: "n1",
			CIDRs: []netip.Prefix{prefix("10.244.7.0/24")}}}, "[10.244.7.0/24 fd00:1::/64]"},
	} {
		g.Apply(step.event)
		if got := fmt.Sprint(g.Ranges()); got != step.want {
			t.Errorf("after %v: %s, want %s", step.event, got, step.want)
		}
		for _, words := range strings.Fields(strings.Trim(step.want, "[]")) {
			if !strings.Contains(g.Program().String(), words) {
				t.Errorf("after %v: %s is not denied", step.event, words)
			}
		}
	}
}
