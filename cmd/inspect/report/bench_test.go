package report

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset/policy"
)

// large is a cluster of 2,000 pods and 300 policies.
func large(change func(*corev1.Pod)) *ask.Cluster {
	s := samplecluster.New(samplecluster.Size{Pods: 2000, Policies: 300, Local: 30}, 1)
	for _, p := range s.Pods {
		change(p)
	}
	return ask.New(policy.Objects{Nodes: s.Nodes, Namespaces: s.Namespaces, Pods: s.Pods,
		Policies: s.Policies}, nil)
}

// of makes pods those of a workload.
func of(kind string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Controller: ptr.To(true),
			Name: p.Labels["app"] + "-" + p.Labels["pod-template-hash"]}}
	}
}

// named is a pod of a StatefulSet, which gives each of its pods a label of its own.
func named(p *corev1.Pod) {
	of("StatefulSet")(p)
	p.Labels["statefulset.kubernetes.io/pod-name"] = p.Name
}

// bare is a pod that nothing makes, and that is a workload of its own.
func bare(*corev1.Pod) {}

// How long the data of a page takes depends little on what makes the pods.
func BenchmarkNew(b *testing.B) {
	for name, change := range map[string]func(*corev1.Pod){"deployments": of("ReplicaSet"),
		"statefulsets": named, "bare pods": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(Input{Cluster: large(change)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Labels that no selector asks for make no groups, and pods that are alike are asked about once, so
// that a report of 2,000 pods takes about as long whatever makes them.
func TestPodsThatAreAlikeAreAskedAboutOnce(t *testing.T) {
	byOwner, byName, alone := newBuilder(Input{Cluster: large(of("ReplicaSet"))}),
		newBuilder(Input{Cluster: large(named)}), newBuilder(Input{Cluster: large(bare)})
	for _, b := range []*builder{byOwner, byName, alone} {
		b.addPods("")
	}
	if len(byName.units) != len(byOwner.units) || len(alone.units) != 2000 {
		t.Errorf("%d groups of StatefulSets, %d of Deployments, %d of single pods", len(byName.units),
			len(byOwner.units), len(alone.units))
	}
	units, goals := alone.classify(alone.cluster.PeerKey, alone.cluster.PeerKey)
	if len(units.first) != len(byOwner.units) || len(goals.first) != len(byOwner.goals) {
		t.Errorf("%d kinds of pods and %d of their ports are asked about, expected %d and %d",
			len(units.first), len(goals.first), len(byOwner.units), len(byOwner.goals))
	}
}
