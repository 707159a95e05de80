package main

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

// A quarter is a few namespaces that are the same in a cluster of any size, so that what happens in them touches the
// same in each: as many selectors, sets, pods and policies.
const (
	home    = "quarter"       // of the policies
	moved   = "quarter-moved" // of the pods whose namespace is relabelled
	callers = 64              // pods of home on another node
	movers  = 50              // pods of moved
	servers = 4               // pods of home on the node that is looked at
)

// quarterEvents builds the quarter.
func quarterEvents(node string) []graph.Event {
	events := []graph.Event{
		graph.NamespaceSet{Namespace: labelled(home, nil)},
		graph.NamespaceSet{Namespace: labelled(moved, map[string]string{"zone": "a"})},
	}
	for i := range callers {
		events = append(events, graph.PodSet{Pod: caller(i, "caller")})
	}
	for i := range movers {
		events = append(events, graph.PodSet{Pod: resident(moved, "mover", i, "elsewhere")})
	}
	for i := range servers {
		events = append(events, graph.PodSet{Pod: server(node, i)})
	}
	return append(events,
		graph.PolicySet{Policy: allowing("callers", peerIn("caller"))},
		graph.PolicySet{Policy: allowing("others", peerIn("other"))},
		graph.PolicySet{Policy: allowing("zone", zone("a"))},
		graph.PolicySet{Policy: allowing("everybody", peerFrom(nil, nil))},
	)
}

func labelled(name string, more map[string]string) policy.Namespace {
	ns := policy.ImpliedNamespace(name)
	ns.Implied = false
	maps.Copy(ns.Labels, more)
	return ns
}

// resident is a pod of the quarter. Pods have other addresses than those of world, by their application and number.
func resident(namespace, app string, i int, node string) policy.Pod {
	third := map[string]byte{"caller": 0, "mover": 1, "server": 2, "crowd": 3}[app]
	return policy.Pod{
		Key: policy.Key{Namespace: namespace, Name: fmt.Sprintf("%s-%d", app, i)}, Node: node,
		Labels: map[string]string{
			"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/component": "quarter",
			"app.kubernetes.io/version": "v1", "pod-template-hash": "0123456789",
		},
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{11, 0, third, byte(i + 1)})},
		Ports: []policy.PortName{{Name: "http", Proto: ruleset.TCP, Number: 8080}},
	}
}

// caller is one of the pods that callers stand for, with any label.
func caller(i int, app string) policy.Pod {
	p := resident(home, "caller", i, "elsewhere")
	p.Labels["app"] = app
	return p
}

func server(node string, i int) policy.Pod { return resident(home, "server", i, node) }

// allowing is a policy of home for its servers.
func allowing(name string, from networkingv1.NetworkPolicyPeer) *policy.Policy {
	return policy.Parse(object(home, name, "server", from))
}

func object(namespace, name, app string, from networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{from}}},
		},
	}
}

// peerIn is the pods of an application in the policy's own namespace.
func peerIn(app string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

// peerFrom is the pods with some labels in the namespaces with others.
func peerFrom(namespaces, pods map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: namespaces}, PodSelector: &metav1.LabelSelector{MatchLabels: pods},
	}
}

func zone(name string) networkingv1.NetworkPolicyPeer {
	return peerFrom(map[string]string{"zone": name}, nil)
}

func inNamespace(name string) map[string]string {
	return map[string]string{corev1.LabelMetadataName: name}
}

// town is the graph of a node in a cluster with the quarter.
type town struct {
	node  string
	graph *graph.Graph
}

func newTown(size samplecluster.Size) town {
	w := samplecluster.New(size, 1)
	t := town{w.Node, graph.New(w.Node, ruleset.Drop)}
	t.graph.AnyAddress()
	for _, e := range append(w.Events(), quarterEvents(w.Node)...) {
		t.graph.Apply(e)
	}
	t.graph.Changes()
	return t
}

// do lets one thing become true and returns what must change for it.
func (t town) do(e graph.Event) ruleset.Delta {
	t.graph.Apply(e)
	return t.graph.Changes()
}
