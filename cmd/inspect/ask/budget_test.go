package ask_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset/policy"
)

// What all pods of a namespace need together is more than a node would hold, and what each node needs
// is not: nothing is refused.
func TestBudgetsAreOfOneNode(t *testing.T) {
	const nodes, each = 20, 40
	var o policy.Objects
	name := func(i int) string { return fmt.Sprintf("s%d", i%(nodes*each)) }
	labels := func(i int) map[string]string {
		return map[string]string{"instance": "prod", "name": name(i)}
	}
	for i := range nodes * each {
		node := i / each
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name(i), Labels: labels(i)}}
		pod.Spec.NodeName = fmt.Sprintf("n%d", node)
		pod.Status.PodIP = fmt.Sprintf("10.244.%d.%d", node, 2+i%each)
		o.Pods = append(o.Pods, pod)
		np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name(i)}}
		np.Spec.PodSelector.MatchLabels = map[string]string{"name": name(i)}
		np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
			{PodSelector: &metav1.LabelSelector{MatchLabels: labels(i + 1)}}}}}
		o.Policies = append(o.Policies, np)
	}
	for node := range nodes {
		o.Nodes = append(o.Nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", node)},
			Spec: corev1.NodeSpec{PodCIDRs: []string{fmt.Sprintf("10.244.%d.0/24", node)}}})
	}
	c := ask.New(o, nil)
	for i := range nodes * each {
		to, from, other := pod(t, c, name(i)), pod(t, c, name(i+1)), pod(t, c, name(i+2))
		if !c.AllAllowed(ask.Flows(from.Addrs, to.Addrs, ask.Port{})) {
			t.Fatalf("%s may not reach %s", from.Key, to.Key)
		}
		if c.AllAllowed(ask.Flows(other.Addrs, to.Addrs, ask.Port{})) {
			t.Fatalf("%s may reach %s", other.Key, to.Key)
		}
	}
}

// pod is one of the namespace shop.
func pod(t *testing.T, c *ask.Cluster, name string) ask.Pod {
	t.Helper()
	p, found := c.Pod(policy.Key{Namespace: "shop", Name: name})
	if !found {
		t.Fatalf("no pod %s", name)
	}
	return p
}
