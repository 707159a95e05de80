package why

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/cmd/inspect/ask"
)

// labels returns as few labels of a pod as select the same pods of its namespace as all of those
// that its author gave it; one at least, since others would come to be selected. None is left of a
// pod whose author gave it none.
func (w *patcher) labels(pod ask.Pod) map[string]string {
	kept := authored(pod)
	// A label goes if those that stay select the same pods; the best known ones stay.
	all := w.count(pod.Namespace, kept)
	keys := slices.SortedFunc(maps.Keys(kept), func(a, b string) int {
		return cmp.Or(cmp.Compare(preference(b), preference(a)), strings.Compare(b, a))
	})
	for _, key := range keys {
		value := kept[key]
		if len(kept) == 1 {
			break
		}
		if delete(kept, key); w.count(pod.Namespace, kept) != all {
			kept[key] = value
		}
	}
	return kept
}

// authored returns the labels that the author of a pod gave it, or else the one by which its Job is
// known.
func authored(pod ask.Pod) map[string]string {
	kept := map[string]string{}
	for key, value := range pod.Labels {
		if !ask.IsVolatile(key) {
			kept[key] = value
		}
	}
	// It names one Job, which is better than all pods of the namespace.
	if job, has := pod.Labels[batchv1.JobNameLabel]; has && len(kept) == 0 {
		kept[batchv1.JobNameLabel] = job
	}
	return kept
}

// count counts the pods of a namespace that have the labels.
func (w *patcher) count(namespace string, have map[string]string) int {
	n := 0
	selector := labels.SelectorFromSet(have)
	for _, p := range w.cluster.Pods {
		if p.Namespace == namespace && selector.Matches(labels.Set(p.Labels)) {
			n++
		}
	}
	return n
}

// preference orders labels by how well they name an application; less is better.
func preference(key string) int {
	best := []string{"app.kubernetes.io/name", "app", "k8s-app", "name",
		"app.kubernetes.io/component", "app.kubernetes.io/instance"}
	if i := slices.Index(best, key); i >= 0 {
		return i
	}
	return len(best)
}
