package cli

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// applied returns the objects with others applied over them. With merge, labels and annotations that
// only the cluster has stay, as with kubectl apply.
func applied(base, over policy.Objects, merge bool) policy.Objects {
	after := base
	after.Policies = slices.Clone(base.Policies)
	for _, np := range over.Policies {
		i := slices.IndexFunc(after.Policies, func(old *networkingv1.NetworkPolicy) bool {
			return old.Namespace == np.Namespace && old.Name == np.Name
		})
		if i < 0 {
			after.Policies = append(after.Policies, np)
			continue
		}
		if merge {
			np = np.DeepCopy()
			mergeMeta(&np.ObjectMeta, after.Policies[i].ObjectMeta)
		}
		after.Policies[i] = np
	}
	// Labels of namespaces decide which peers a policy has.
	after.Namespaces = slices.Clone(base.Namespaces)
	for _, ns := range over.Namespaces {
		i := slices.IndexFunc(after.Namespaces, func(old *corev1.Namespace) bool {
			return old.Name == ns.Name
		})
		if i < 0 {
			after.Namespaces = append(after.Namespaces, ns)
			continue
		}
		if merge {
			ns = ns.DeepCopy()
			mergeMeta(&ns.ObjectMeta, after.Namespaces[i].ObjectMeta)
		}
		after.Namespaces[i] = ns
	}
	return after
}

// mergeMeta adds the labels and annotations of what is replaced, but for those that were applied the
// last time and are not any more.
func mergeMeta(object *metav1.ObjectMeta, old metav1.ObjectMeta) {
	var last struct{ Metadata metav1.ObjectMeta }
	// Without this annotation, or with one that is no JSON, nothing was applied before.
	_ = json.Unmarshal([]byte(old.Annotations[corev1.LastAppliedConfigAnnotation]), &last)
	object.Labels = merged(object.Labels, old.Labels, last.Metadata.Labels)
	object.Annotations = merged(object.Annotations, old.Annotations, last.Metadata.Annotations)
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
