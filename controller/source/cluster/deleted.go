package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/policy"
)

// deletedPolicies holds back the deletion of policies until it is known whether their namespace
// terminates. The watches of namespaces and policies are not ordered with each other: the
// deletion of a policy may arrive before that of its namespace, and would open pods that must
// stay isolated until they are gone (CVE-2024-7598). So the API server is asked for the
// namespace, once for all policies that were deleted together. Until it answers they stay in
// force.
type deletedPolicies struct {
	source      *Source
	queue       queue[string]           // of namespaces
	byNamespace map[string][]policy.Key // in the order of their deletion; guarded by source.mu
	// gone are namespaces that were deleted since the server was asked for them last; guarded by
	// source.mu.
	gone map[string]bool
}

// newDeletedPolicies returns an empty one, for the policies of a source.
func newDeletedPolicies(s *Source) *deletedPolicies {
	return &deletedPolicies{
		source: s, queue: newQueue[string](), byNamespace: map[string][]policy.Key{},
		gone: map[string]bool{},
	}
}

// add holds back the deletion of a policy.
func (d *deletedPolicies) add(p policy.Key) {
	d.source.mu.Lock()
	defer d.source.mu.Unlock()
	d.byNamespace[p.Namespace] = append(d.byNamespace[p.Namespace], p)
	d.queue.Add(p.Namespace)
}

// namespaceGone notes that a namespace is deleted. The caller holds source.mu.
func (d *deletedPolicies) namespaceGone(name string) {
	if len(d.byNamespace[name]) > 0 {
		d.gone[name] = true
	}
}

// run asks for namespaces until ctx ends.
func (d *deletedPolicies) run(ctx context.Context) { process(ctx, d.queue, d.askNamespace) }

// askNamespace gets one namespace and delivers the deletion of those of its policies that were
// deleted before it asked: the answer does not say whether the namespace terminated before a later
// one was deleted.
func (d *deletedPolicies) askNamespace(ctx context.Context, name string) error {
	d.source.mu.Lock()
	count := len(d.byNamespace[name])
	delete(d.gone, name)
	d.source.mu.Unlock()
	namespace, err := d.source.Client.Namespaces.Get(ctx, name, metav1.GetOptions{})
	var events []graph.Event
	switch {
	case err == nil:
		events = append(events, graph.NamespaceAsked{Namespace: policy.NewNamespace(namespace)})
	case !apierrors.IsNotFound(err):
		err = fmt.Errorf("get namespaces: %w; policies deleted from %s stay in force", err, name)
		d.source.recordResult("deleted policies", err)
		return err
	}
	d.source.recordResult("deleted policies", nil)
	d.deliver(name, count, events)
	return nil
}

// deliver delivers what was said of a namespace, unless it is gone since, and after that the first
// deletions in it, without those of policies that were created again since.
func (d *deletedPolicies) deliver(namespace string, count int, events []graph.Event) {
	d.source.mu.Lock()
	defer d.source.mu.Unlock()
	if d.gone[namespace] {
		events = nil
	}
	delete(d.gone, namespace)
	keys := d.byNamespace[namespace]
	for _, key := range keys[:count] {
		if !d.source.policies.has(key) {
			events = append(events, graph.PolicyGone{Key: key})
		}
	}
	if d.byNamespace[namespace] = keys[count:]; len(keys) == count {
		delete(d.byNamespace, namespace)
	}
	d.source.deliver(source.Mail{Events: events})
}
