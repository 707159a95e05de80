package main

import (
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// deed is events that come one after the other; after the last of them everything is as it was.
type deed struct {
	steps  []string                // what they are called
	events func(int) []graph.Event // as many as there are steps, the i-th time
	grows  bool                    // it touches more in a larger cluster, so nothing is promised
}

// deeds lists what happens in the quarter of a town.
func deeds(node string) []deed {
	return []deed{
		{steps: []string{"pod relabelled", "pod relabelled back"}, events: func(i int) []graph.Event {
			return []graph.Event{graph.PodSet{Pod: caller(i%callers, "other")}, graph.PodSet{Pod: caller(i%callers, "caller")}}
		}},
		{steps: []string{"pod deleted", "pod created"}, events: func(i int) []graph.Event {
			p := caller(i%callers, "caller")
			return []graph.Event{graph.PodGone{Key: p.Key}, graph.PodSet{Pod: p}}
		}},
		{steps: []string{"local pod deleted", "local pod created"}, events: func(i int) []graph.Event {
			p := server(node, i%servers)
			return []graph.Event{graph.PodGone{Key: p.Key}, graph.PodSet{Pod: p}}
		}},
		{steps: []string{"namespace of 50 pods relabelled", "namespace relabelled back"}, events: func(int) []graph.Event {
			return []graph.Event{
				graph.NamespaceSet{Namespace: labelled(moved, map[string]string{"zone": "b"})},
				graph.NamespaceSet{Namespace: labelled(moved, map[string]string{"zone": "a"})},
			}
		}},
		policyDeed("its own namespace", allowing("new", peerIn("new")), false),
		policyDeed("another namespace", allowing("new", peerFrom(inNamespace(moved), nil)), false),
		policyDeed("all namespaces, by label", allowing("new", peerFrom(nil, map[string]string{"app": "app-7"})), true),
	}
}

func policyDeed(peers string, p *policy.Policy, grows bool) deed {
	return deed{
		steps: []string{"policy created: peers in " + peers, "policy deleted: peers in " + peers}, grows: grows,
		events: func(int) []graph.Event {
			return []graph.Event{graph.PolicySet{Policy: p}, graph.PolicyGone{Key: p.Key}}
		},
	}
}
