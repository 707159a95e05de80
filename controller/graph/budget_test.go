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

// A policy of 3,000 selectors that each choose nearly all of 2,000 pods costs next to
// nothing: it only isolates, while others go on. With fewer pods there is room for it,
// whichever way they come and go.
func TestPolicyThatNeedsTooMuch(t *testing.T) {
	g := graph.New("n0", ruleset.Drop)
	g.Apply(graph.PolicySet{Policy: policy.Parse(nearlyAll(3000))})
	other := nearlyAll(1)
	other.Namespace = "other"
	g.Apply(graph.PolicySet{Policy: policy.Parse(other)})
	mine := tenantPod("other", 0)
	g.Apply(graph.PodSet{Pod: mine})
	for _, row := range []struct{ from, to, beyond, elements int }{
		{0, 2000, 1, 1}, {2000, 20, 0, 3000 * 20}, {20, 1000, 1, 1}, {1000, 0, 0, 1},
	} {
		for i := row.from; i < row.to; i++ {
			g.Apply(graph.PodSet{Pod: tenantPod("tenant", i)})
		}
		for i := row.to; i < row.from; i++ {
			g.Apply(graph.PodGone{Key: tenantPod("tenant", i).Key})
		}
		g.Changes()
		excess, _ := g.Excess()
		if counts := g.Counts(); len(excess) != row.beyond || counts.Elements > row.elements+10 ||
			counts.Elements < row.elements {
			t.Errorf("%d pods: %d elements, beyond: %v", row.to, counts.Elements, excess)
		}
	}
}

// A backend that copies chains has room for as many pods of a group as fit, whichever way they come and
// go, and counts a rule with many ports as often as it is written.
func TestCopiedChainsNeedMore(t *testing.T) {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "ports"}}
	p.Spec.Ingress = make([]networkingv1.NetworkPolicyIngressRule, 1)
	for port := int32(1); port <= 20; port++ { // two rules of fifteen ports
		number := intstr.FromInt32(2 * port)
		p.Spec.Ingress[0].Ports = append(p.Spec.Ingress[0].Ports,
			networkingv1.NetworkPolicyPort{Port: &number})
	}
	g := graph.New("n1", ruleset.Drop)
	g.SetForm(ruleset.Form{RulePorts: 15, Copies: true, MostRules: 12}) // six for a namespace
	g.Apply(graph.PolicySet{Policy: policy.Parse(p)})
	for _, row := range []struct{ from, to, beyond int }{{0, 3, 0}, {3, 4, 1}, {4, 2, 0}, {2, 9, 1}} {
		for i := row.from; i < row.to; i++ {
			g.Apply(graph.PodSet{Pod: tenantPod("tenant", 1+i)})
		}
		for i := row.to; i < row.from; i++ {
			g.Apply(graph.PodGone{Key: tenantPod("tenant", 1+i).Key})
		}
		g.Changes()
		if excess, _ := g.Excess(); len(excess) != row.beyond {
			t.Errorf("%d pods: beyond: %v; want %d", row.to, excess, row.beyond)
		}
	}
}

func nearlyAll(selectors int) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant",
		Name: "nearly-all"}}
	for i := range selectors {
		p.Spec.Ingress = append(p.Spec.Ingress,
			networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: "app", Operator: metav1.LabelSelectorOpNotIn,
						Values: []string{fmt.Sprint(i)}},
				}},
			}}})
	}
	return p
}

// tenantPod is on the node where its number is 0.
func tenantPod(namespace string, i int) policy.Pod {
	return policy.Pod{
		Key: policy.Key{Namespace: namespace, Name: fmt.Sprintf("p%d", i)}, Node: fmt.Sprintf("n%d",
			min(i, 1)),
		Labels: map[string]string{"n": fmt.Sprint(i)},
		Addrs:  []netip.Addr{netip.AddrFrom4([4]byte{10, namespace[0], byte(i >> 8), byte(i)})},
	}
}
