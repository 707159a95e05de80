package samplecluster_test

import (
	"fmt"
	"maps"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// The fixed namespaces are the same in a cluster of any size, so that an event in them touches as
// many selectors, sets, pods and policies in each.
const (
	policySpace  = "fixed"           // has the policies and the pods that they select
	movedSpace   = "fixed-relabeled" // is relabelled
	callerCount  = 64                // pods of policySpace on another node
	movedCount   = 50                // pods of movedSpace
	serverCount  = 4                 // pods of policySpace on LocalNode
	anotherPlace = "elsewhere"       // the other node
)

// fixedEvents creates the fixed namespaces.
func fixedEvents() []graph.Event {
	all := []graph.Event{
		graph.NamespaceSet{Namespace: namespace(policySpace, nil)},
		graph.NamespaceSet{Namespace: namespace(movedSpace, map[string]string{"zone": "a"})},
	}
	for i := range callerCount {
		all = append(all, graph.PodSet{Pod: caller(i, "caller")})
	}
	for i := range movedCount {
		all = append(all, graph.PodSet{Pod: pod(movedSpace, "mover", i, anotherPlace)})
	}
	for i := range serverCount {
		all = append(all, graph.PodSet{Pod: server(i)})
	}
	return append(all,
		graph.PolicySet{Policy: allowing("callers", peersOfApp("caller"))},
		graph.PolicySet{Policy: allowing("others", peersOfApp("other"))},
		graph.PolicySet{Policy: allowing("zone", peers(map[string]string{"zone": "a"}, nil))},
		graph.PolicySet{Policy: allowing("everybody", peers(nil, nil))},
	)
}

func namespace(name string, more map[string]string) policy.Namespace {
	ns := policy.ImpliedNamespace(name)
	ns.Implied = false
	maps.Copy(ns.Labels, more)
	return ns
}

// pod is a pod with an address that no pod of samplecluster has.
func pod(namespace, app string, i int, node string) policy.Pod {
	third := map[string]byte{"caller": 0, "mover": 1, "server": 2, "crowd": 3}[app]
	return policy.Pod{
		Key:  policy.Key{Namespace: namespace, Name: fmt.Sprintf("%s-%d", app, i)},
		Node: node,
		Labels: map[string]string{
			"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/component": "fixed",
			"app.kubernetes.io/version": "v1", "pod-template-hash": "0123456789",
		},
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{11, 0, third, byte(i + 1)})},
		Ports: []policy.PortName{{Name: "http", Proto: ruleset.TCP, Number: 8080}},
	}
}

// caller is the i-th pod of policySpace on another node, with any label app.
func caller(i int, app string) policy.Pod {
	p := pod(policySpace, "caller", i, anotherPlace)
	p.Labels["app"] = app
	return p
}

// server is the i-th pod of policySpace on LocalNode.
func server(i int) policy.Pod { return pod(policySpace, "server", i, samplecluster.LocalNode) }

// allowing is a policy that lets some peers reach the servers.
func allowing(name string, from networkingv1.NetworkPolicyPeer) *policy.Policy {
	return policy.Parse(allowingObject(policySpace, name, "server", from))
}

func allowingObject(
	namespace, name, app string, from networkingv1.NetworkPolicyPeer,
) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{From: []networkingv1.NetworkPolicyPeer{from}},
			},
		},
	}
}

// peersOfApp are the pods of an application in the namespace of the policy.
func peersOfApp(app string) networkingv1.NetworkPolicyPeer {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	return networkingv1.NetworkPolicyPeer{PodSelector: selector}
}

// peers are the pods with some labels in the namespaces with others.
func peers(namespaces, pods map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: namespaces},
		PodSelector:       &metav1.LabelSelector{MatchLabels: pods},
	}
}

func namedNamespace(name string) map[string]string {
	return map[string]string{corev1.LabelMetadataName: name}
}
