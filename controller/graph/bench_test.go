package graph_test

import (
	"fmt"
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// An event about one pod costs the same in a small and in a large cluster.
func BenchmarkPodEvent(b *testing.B) {
	for _, pods := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			g := largeCluster(pods)
			g.Changes()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := numbered(pods + 1)
				p.Labels = map[string]string{"app": fmt.Sprintf("app-%d", i%2)}
				g.Apply(graph.PodSet{Pod: p})
				g.Changes()
			}
		})
	}
}

// largeCluster has ten pods for each of its applications, and a policy for each of the
// first hundred, the pods of which are on this node.
func largeCluster(pods int) *graph.Graph {
	g := graph.New("n0", ruleset.Drop)
	for i := range pods {
		g.Apply(graph.PodSet{Pod: numbered(i)})
	}
	for i := range 100 {
		app := fmt.Sprintf("app-%d", i)
		g.Apply(graph.PolicySet{Policy: policy.Parse(&networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
					{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
				}}},
			},
		})})
	}
	return g
}

func numbered(i int) policy.Pod {
	return policy.Pod{
		Key:  policy.Key{Namespace: "default", Name: fmt.Sprintf("pod-%d", i)},
		Node: fmt.Sprintf("n%d", i%1000),
		Labels: map[string]string{"app": fmt.Sprintf("app-%d", i/10), "tier": "web",
			"version": "v1"},
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)})},
	}
}

// A tenant with 10,000 rules for all of its 5,000 pods, ten of this node, replaces one
// policy of a hundred rules.
func BenchmarkTenantPolicy(b *testing.B) {
	g := graph.New("n0", ruleset.Drop)
	for i := range 5000 {
		p := numbered(i * 500)
		p.Key = policy.Key{Namespace: "tenant", Name: fmt.Sprintf("pod-%d", i)}
		p.Labels = map[string]string{"group": fmt.Sprintf("g%d", i%50)}
		p.Node = map[bool]string{true: "n0", false: "n1"}[i < 10]
		g.Apply(graph.PodSet{Pod: p})
	}
	var turns [2][100]*policy.Policy
	for turn := range turns {
		for n := range turns[turn] {
			turns[turn][n] = tenantPolicy(n, turn)
			g.Apply(graph.PolicySet{Policy: turns[turn][n]})
		}
	}
	g.Changes()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g.Apply(graph.PolicySet{Policy: turns[i/100%2][i%100]})
		g.Changes()
	}
}

func tenantPolicy(n, turn int) *policy.Policy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant",
		Name: fmt.Sprintf("p%d", n)}}
	for i := range 100 {
		port := intstr.FromInt(1 + n*100 + i)
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
			From:  []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": fmt.Sprintf("g%d", (i+turn)%50)}}}},
			Ports: []networkingv1.NetworkPolicyPort{{Port: &port}},
		})
	}
	return policy.Parse(p)
}

// A policy whose peers are 3,000 selectors of one label key each, which hardly any of the
// tenant's 10,000 pods has.
func BenchmarkManySelectors(b *testing.B) {
	for _, labels := range []int{10000, 100} {
		b.Run(fmt.Sprintf("pods=10000/sets of labels=%d", labels), func(b *testing.B) {
			g := graph.New("n0", ruleset.Drop)
			for i := range 10000 {
				p := numbered(i)
				p.Labels = map[string]string{"app": fmt.Sprintf("app-%d", i%labels)}
				g.Apply(graph.PodSet{Pod: p})
			}
			np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default",
				Name: "keys"}}
			for i := range 3000 {
				np.Spec.Ingress = append(np.Spec.Ingress,
					networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{
						PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
							Key: fmt.Sprintf("key-%d", i), Operator: metav1.LabelSelectorOpExists,
						}}},
					}}})
			}
			comeAndGo(b, g, policy.Parse(np))
		})
	}
}

// A policy of which every fifth of 100,000 pods is a peer, as for the application that all
// others use.
func BenchmarkEveryFifth(b *testing.B) {
	g := graph.New("n0", ruleset.Drop)
	for i := range 100000 {
		p := numbered(i)
		p.Labels = map[string]string{"app": fmt.Sprintf("app-%d", i/25),
			"part": fmt.Sprintf("part-%d", i/25%5)}
		g.Apply(graph.PodSet{Pod: p})
	}
	comeAndGo(b, g, policy.Parse(&networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "fifth"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "app-0"}},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"part": "part-1"}}},
			}}},
		},
	}))
}

// comeAndGo measures a policy that comes and goes again.
func comeAndGo(b *testing.B, g *graph.Graph, p *policy.Policy) {
	g.Changes()
	b.ReportAllocs()
	for b.Loop() {
		g.Apply(graph.PolicySet{Policy: p})
		g.Changes()
		g.Apply(graph.PolicyGone{Key: p.Key})
		g.Changes()
	}
}
