package graph_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Pods that the same policies isolate share a chain, if these have many rules. All of them
// are subjects of a change to it.
func TestPodsOfOneGroupShare(t *testing.T) {
	g := graph.New("n1", ruleset.Drop)
	g.Apply(graph.PolicySet{Policy: manyPorts()})
	g.Apply(graph.PodSet{Pod: memberPod("a")})
	if shared := sharedChains(g.Program()); len(shared) > 0 {
		t.Errorf("shared by one pod: %v", shared)
	}
	g.Apply(graph.PodSet{Pod: memberPod("b")})
	two := sharedChains(g.Program())
	if len(two) != 1 {
		t.Fatalf("shared by two pods: %v", two)
	}
	have := g.Subjects(two[0])
	slices.SortFunc(have, netip.Addr.Compare)
	if want := []netip.Addr{memberPod("a").Addrs[0], memberPod("b").Addrs[0]}; !slices.Equal(have,
		want) {
		t.Errorf("subjects of what they share: %v, want %v", have, want)
	}
	g.Apply(graph.PodSet{Pod: memberPod("c")})
	if three := sharedChains(g.Program()); len(three) != 1 || three[0] == two[0] {
		t.Errorf("what two pods shared is given to a third: %v", three)
	}
}

func manyPorts() *policy.Policy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "many"}}
	for i := range 40 {
		port := intstr.FromInt(1000 + i)
		p.Spec.Ingress = append(p.Spec.Ingress,
			networkingv1.NetworkPolicyIngressRule{Ports: []networkingv1.NetworkPolicyPort{{Port: &port}}, From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": port.String()}}},
			}})
	}
	return policy.Parse(p)
}

func memberPod(name string) policy.Pod {
	return policy.Pod{Key: policy.Key{Namespace: "shop", Name: name}, Node: "n1",
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, name[0]})}}
}

func sharedChains(p *ruleset.Program) (ids []ruleset.ChainID) {
	for _, c := range p.Chains {
		if strings.HasPrefix(string(c.ID), "alike/") {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
