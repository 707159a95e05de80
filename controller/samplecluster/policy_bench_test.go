package samplecluster_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// policyCase is a policy that is created and deleted.
type policyCase struct {
	name   string
	node   syncedNode
	object *networkingv1.NetworkPolicy
}

// policyCases are policies for few and for many pods of LocalNode in a cluster of a size.
func policyCases(b *testing.B, pods int) []policyCase {
	size := samplecluster.Sized(pods)
	crowd := size.Local
	spread := newSyncedNode(b, size, nil)
	size.Local = 1
	together := newSyncedNode(b, size, crowdEvents(crowd))
	few := fmt.Sprintf("of %d local pods, ", serverCount)
	all := fmt.Sprintf("of all %d local pods, ", crowd)
	byLabel := func(key, value string) *networkingv1.NetworkPolicy {
		return allowingObject(policySpace, "new", "server",
			peers(nil, map[string]string{key: value}))
	}
	return []policyCase{
		{few + "for others of the namespace", spread,
			allowingObject(policySpace, "new", "server", peersOfApp("new"))},
		{few + "for an application of all namespaces", spread, byLabel("app", "app-7")},
		{few + "for every fifth pod of the cluster", spread,
			byLabel("app.kubernetes.io/component", "api")},
		{all + "denying all", together, denial("crowd")},
		{all + "for others of the namespace", together,
			allowingObject("crowd", "new", "crowd", peersOfApp("new"))},
	}
}

// crowdEvents puts pods into a namespace of their own on LocalNode.
func crowdEvents(count int) (all []graph.Event) {
	for i := range count {
		all = append(all, graph.PodSet{Pod: pod("crowd", "crowd", i, samplecluster.LocalNode)})
	}
	return all
}

// denial isolates all pods of a namespace in both directions.
func denial(namespace string) *networkingv1.NetworkPolicy {
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "new"},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: both},
	}
}

// A policy is created on a node whose kernel holds everything: it is parsed, goes into the graph,
// the delta is made and committed. Then it is deleted again.
func BenchmarkPolicy(b *testing.B) {
	needKernel(b)
	all := sizes()
	for _, c := range policyCases(b, all[len(all)-1]) {
		b.Run(c.name, c.benchmark)
	}
}

func (c policyCase) benchmark(b *testing.B) {
	var created, committed, processor, deleted samples
	var delta ruleset.Delta
	gone := graph.PolicyGone{Key: policy.Key{Namespace: c.object.Namespace, Name: c.object.Name}}
	for b.Loop() {
		before := processorTime()
		created = append(created, timed(func() {
			delta = c.node.apply(graph.PolicySet{Policy: policy.Parse(c.object)})
			committed = append(committed, timed(func() { c.node.commit(b, delta) }))
		}))
		processor = append(processor, processorTime()-before)
		deleted = append(deleted, timed(func() { c.node.commit(b, c.node.apply(gone)) }))
	}
	created.report(b, "ns/op")
	b.ReportMetric(float64(created.at(0)), "fastest-ns")
	b.ReportMetric(float64(created.at(0.99)), "p99-ns")
	committed.report(b, "commit-ns")
	processor.report(b, "cpu-ns")
	deleted.report(b, "delete-ns")
	b.ReportMetric(float64(len(delta.PutChains)), "chains")
	members := 0
	for _, s := range delta.AddSets {
		members += len(s.Members)
	}
	b.ReportMetric(float64(members), "members")
}

// syncedNode is the graph of LocalNode with a kernel that holds what the graph says.
type syncedNode struct {
	node
	backend *nft.Backend
}

func newSyncedNode(b *testing.B, size samplecluster.Size, more []graph.Event) syncedNode {
	n := syncedNode{newNode(size), newBackend(b)}
	for _, e := range more {
		n.apply(e)
	}
	n.commit(b, ruleset.Diff(ruleset.Observed{}, n.graph.Program()))
	return n
}

func (n syncedNode) commit(b *testing.B, d ruleset.Delta) {
	if err := n.backend.Apply(b.Context(), d); err != nil {
		b.Fatal(err)
	}
}

// processorTime is what this process has used of all processors so far, the kernel's part included.
func processorTime() time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // fails for a wrong argument only
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
