package compile_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/picket-project/picket/ruleset/oracle"
)

// FuzzCompile: whatever JSON a policy and a pod come from, in whatever world, the compiler
// does not panic, and where the JSON can be decoded its program agrees with the oracle.
func FuzzCompile(f *testing.F) {
	podSeed, err := json.Marshal(pod(f, "a/fuzzed n1 10.244.1.2 fd00:10:244:1::9 app=a "+
		"web:80/TCP dns:53/UDP"))
	if err != nil {
		f.Fatal(err)
	}
	for i, p := range wrongPolicies(f) {
		policy, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(policy, podSeed, uint64(i))
	}
	for _, pod := range []string{"", "{}",
		`{"spec":{"hostNetwork":true},"status":{"podIP":"10.244.1.2"}}`,
		`{"spec":{"nodeName":"n9","initContainers":[{"restartPolicy":"Always","ports":[{"name":"web","containerPort":70000}]}]},"status":{"podIPs":[{"ip":"10.77.0.11"},{"ip":"::ffff:1.2.3.4"}]}}`} {
		f.Add(
			[]byte(
				`{"spec":{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{}}],"ports":[{"port":"web"}]}],"egress":[{"ports":[{"port":"web"}]}]}}`), []byte(pod), uint64(99))
	}
	f.Fuzz(func(t *testing.T, policy, pod []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := oracle.Random(r, sizes[1+seed%uint64(len(sizes)-1)])
		addPod(w, pod)
		inAlphabet := addPolicy(w, policy)
		programs := programsOf(w)
		for _, f := range sample(r, w, w.Flows(), 200) {
			switch got, traces := decide(programs, f); {
			case got && !w.Allowed(f):
				t.Fatalf("%v: allowed: %v\n%v", f, traces, w)
			case !got && inAlphabet && w.Allowed(f):
				t.Fatalf("%v: denied: %v\n%v", f, traces, w)
			}
		}
	})
}

// addPod adds a pod, if it is one, to the namespace of another.
func addPod(w *oracle.World, data []byte) {
	var p corev1.Pod
	if json.Unmarshal(data, &p) != nil {
		return
	}
	p.Namespace, p.Name = w.Pods[0].Namespace, "fuzzed"
	p.CreationTimestamp, p.Status.StartTime = w.Pods[0].CreationTimestamp,
		w.Pods[0].Status.StartTime
	w.Pods = append(w.Pods, &p)
}

// addPolicy adds a policy, if it is one, to the namespace of a pod. It reports whether all
// that its selectors name can be in a label: the oracle does not ask, while for the
// compiler what cannot be matches nothing.
func addPolicy(w *oracle.World, data []byte) bool {
	var p networkingv1.NetworkPolicy
	if json.Unmarshal(data, &p) != nil {
		return true
	}
	p.Namespace, p.Name = w.Pods[0].Namespace, "fuzzed"
	w.Policies = append(w.Policies, &p)
	selectors := []*metav1.LabelSelector{&p.Spec.PodSelector}
	for _, r := range p.Spec.Ingress {
		selectors = append(selectors, selectorsOf(r.From)...)
	}
	for _, r := range p.Spec.Egress {
		selectors = append(selectors, selectorsOf(r.To)...)
	}
	for _, s := range selectors {
		if s != nil && !isInAlphabet(s) {
			return false
		}
	}
	return true
}

func selectorsOf(peers []networkingv1.NetworkPolicyPeer) []*metav1.LabelSelector {
	var selectors []*metav1.LabelSelector
	for _, p := range peers {
		selectors = append(selectors, p.PodSelector, p.NamespaceSelector)
	}
	return selectors
}

func isInAlphabet(s *metav1.LabelSelector) bool {
	good := true
	check := func(key string, values ...string) {
		good = good && len(validation.IsQualifiedName(key)) == 0
		for _, v := range values {
			good = good && len(validation.IsValidLabelValue(v)) == 0
		}
	}
	for key, value := range s.MatchLabels {
		check(key, value)
	}
	for _, e := range s.MatchExpressions {
		check(e.Key, e.Values...)
	}
	return good
}
