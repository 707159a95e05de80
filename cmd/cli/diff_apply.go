package cli

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/picket-project/picket/ruleset/policy"
)

// applied returns the objects with others applied over them. With merge, labels and annotations that
// only the cluster has stay, as with kubectl apply.
func applied(base, over policy.Objects, merge bool) policy.Objects {
	base.Policies = appliedOver(base.Policies, over.Policies, merge)
	// Labels of namespaces decide which peers a policy has.
	base.Namespaces = appliedOver(base.Namespaces, over.Namespaces, merge)
	return base
}

// appliedOver is applied for the objects of one kind. The lists stay as they are.
func appliedOver[T interface {
	metav1.Object
	runtime.Object
}](base, over []T, merge bool) []T {
	after := slices.Clone(base)
	for _, object := range over {
		i := slices.IndexFunc(after, func(old T) bool {
			return old.GetNamespace() == object.GetNamespace() && old.GetName() == object.GetName()
		})
		if i < 0 {
			after = append(after, object)
			continue
		}
		if merge {
			object = object.DeepCopyObject().(T)
			mergeMeta(object, after[i])
		}
		after[i] = object
	}
	return after
}

// mergeMeta adds the labels and annotations of what is replaced, but for those that were applied the
// last time and are not any more.
func mergeMeta(object, old metav1.Object) {
	var last struct{ Metadata metav1.ObjectMeta }
	// Without this annotation, or with one that is no JSON, nothing was applied before.
	_ = json.Unmarshal([]byte(old.GetAnnotations()[corev1.LastAppliedConfigAnnotation]), &last)
	object.SetLabels(merged(object.GetLabels(), old.GetLabels(), last.Metadata.Labels))
	object.SetAnnotations(merged(object.GetAnnotations(), old.GetAnnotations(),
		last.Metadata.Annotations))
}

// merged returns what is applied, and of what was there what was not applied.
func merged(applied, before, last map[string]string) map[string]string {
	all := maps.Clone(before)
	maps.DeleteFunc(all, func(key, _ string) bool {
		_, was := last[key]
		return was
	})
	if all == nil {
		return applied
	}
	maps.Copy(all, applied)
	return all
}
