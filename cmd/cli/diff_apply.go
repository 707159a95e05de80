package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/picket-project/picket/ruleset/policy"
)

// applied returns the objects with others applied over them. With merge, labels and annotations of
// a cluster's objects that nobody has applied stay, as with kubectl apply.
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
		if merge && isOfCluster(after[i]) {
			object = object.DeepCopyObject().(T)
			mergeMeta(object, after[i])
		}
		after[i] = object
	}
	return after
}

// isOfCluster reports whether an object is as a cluster shows it. Of any other all that is written
// is what is applied.
func isOfCluster(o metav1.Object) bool {
	created := o.GetCreationTimestamp()
	return o.GetUID() != "" || o.GetResourceVersion() != "" || !created.IsZero() ||
		len(o.GetManagedFields()) > 0
}

// mergeMeta adds the labels and annotations of what is replaced, but for those that were applied
// the last time and are not any more.
func mergeMeta(object, old metav1.Object) {
	labels, annotations := lastApplied(old)
	object.SetLabels(merged(object.GetLabels(), old.GetLabels(), labels))
	object.SetAnnotations(merged(object.GetAnnotations(), old.GetAnnotations(), annotations))
}

// lastApplied returns the keys of the labels and annotations that were applied to an object: those
// that kubectl apply has noted, and those that server-side appliers own.
func lastApplied(o metav1.Object) (labels, annotations map[string]bool) {
	labels, annotations = map[string]bool{}, map[string]bool{}
	var last struct{ Metadata metav1.ObjectMeta }
	// Without this annotation, or with one that is no JSON, kubectl has applied nothing.
	_ = json.Unmarshal([]byte(o.GetAnnotations()[corev1.LastAppliedConfigAnnotation]), &last)
	addKeys(labels, last.Metadata.Labels, "")
	addKeys(annotations, last.Metadata.Annotations, "")
	for _, m := range o.GetManagedFields() {
		if m.Operation != metav1.ManagedFieldsOperationApply || m.FieldsV1 == nil {
			continue
		}
		var owned ownedFields
		// An API server writes no other form; from what is not readable nothing is taken.
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &owned) == nil {
			addKeys(labels, owned.Metadata.Labels, "f:")
			addKeys(annotations, owned.Metadata.Annotations, "f:")
		}
	}
	return labels, annotations
}

// ownedFields is what of metadata.managedFields is about labels and annotations (FieldsV1): the
// field NAME has the key f:NAME.
type ownedFields struct {
	Metadata struct {
		Labels      map[string]json.RawMessage `json:"f:labels"`
		Annotations map[string]json.RawMessage `json:"f:annotations"`
	} `json:"f:metadata"`
}

// addKeys adds the keys that begin with a prefix, without it.
func addKeys[V any](keys map[string]bool, from map[string]V, prefix string) {
	for key := range from {
		if name, has := strings.CutPrefix(key, prefix); has {
			keys[name] = true
		}
	}
}

// merged returns what is applied, and of what was there what was not applied.
func merged(applied, before map[string]string, last map[string]bool) map[string]string {
	all := maps.Clone(before)
	maps.DeleteFunc(all, func(key, _ string) bool { return last[key] })
	if all == nil {
		return applied
	}
	maps.Copy(all, applied)
	return all
}
