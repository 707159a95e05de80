package policy

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Namespace is what policies need to know of a namespace.
type Namespace struct {
	Name    string
	UID     string            // metadata.uid: one of the same name that comes later has another
	Labels  map[string]string // with kubernetes.io/metadata.name
	Implied bool              // no object says yet which other labels it has

	Audit    AuditMode // of its policies that say nothing themselves
	Problems []Problem // what could not be understood

	// Terminating says that metadata.deletionTimestamp is set. Policies that are
	// deleted from now on still isolate.
	Terminating bool
}

// NewNamespace converts an API object.
func NewNamespace(n *corev1.Namespace) Namespace {
	ns := ImpliedNamespace(n.Name)
	ns.Implied, ns.UID = false, string(n.UID)
	maps.Copy(ns.Labels, n.Labels)
	ns.Labels[corev1.LabelMetadataName] = n.Name // an API server lets nobody say otherwise
	ns.Terminating = n.DeletionTimestamp != nil
	p := &parser{key: Key{Name: n.Name}}
	ns.Audit = p.audit(n.Annotations, "the policies of the namespace are", AuditAnnotation)
	ns.Problems = p.reported()
	return ns
}

// ImpliedNamespace is a namespace of which only the name is known, from a pod or policy
// in it. It has the one label that an API server gives to every namespace, and nobody
// knows which others.
func ImpliedNamespace(name string) Namespace {
	labels := map[string]string{corev1.LabelMetadataName: name}
	return Namespace{Name: name, Labels: labels, Implied: true}
}

// Equal reports whether nothing that policies look at differs.
func (n Namespace) Equal(o Namespace) bool {
	return n.Name == o.Name && n.Terminating == o.Terminating && n.Implied == o.Implied &&
		n.Audit == o.Audit && maps.Equal(n.Labels, o.Labels) &&
		slices.EqualFunc(n.Problems, o.Problems, sameProblem)
}
