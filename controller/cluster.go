package controller

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// Cluster is a Source over the API of a cluster: it lists and watches namespaces, nodes, network policies
// and pods. It is a Reporter too.
type Cluster struct {
	Client   kubernetes.Interface
	Node     string // in whose name Events are written
	informer map[string]cache.SharedIndexInformer
	deliver  func(Mail)
	graves   *graveyard
	herald   *herald

	mu      sync.Mutex // guards the fields below, and that policies are delivered in the order of the cache
	outages outages
	told    map[string]string // the complaints delivered last
}

// Run delivers the state of the cluster and its changes until ctx ends.
func (c *Cluster) Run(ctx context.Context, deliver func(Mail)) error {
	core, networking := c.Client.CoreV1(), c.Client.NetworkingV1()
	c.deliver, c.outages = deliver, outages{}
	c.informer = map[string]cache.SharedIndexInformer{
		"namespaces":      informer(c, "namespaces", &corev1.Namespace{}, core.Namespaces()),
		"nodes":           informer(c, "nodes", &corev1.Node{}, core.Nodes()),
		"pods":            informer(c, "pods", &corev1.Pod{}, core.Pods("")),
		"networkpolicies": informer(c, "networkpolicies", &networkingv1.NetworkPolicy{}, networking.NetworkPolicies("")),
	}
	c.graves, c.herald = newGraveyard(c), newHerald(c)
	handled, err := c.handle()
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { c.graves.run(ctx) })
	running.Go(func() { c.herald.run(ctx) })
	for _, i := range c.informer {
		running.Go(func() { i.RunWithContext(ctx) })
	}
	if cache.WaitForCacheSync(ctx.Done(), handled...) {
		deliver(Mail{Synced: true})
	}
	<-ctx.Done()
	return nil
}

// informer keeps what is to be known of one resource.
func informer[List runtime.Object](c *Cluster, resource string, object runtime.Object, from reader[List]) cache.SharedIndexInformer {
	c.outages.expect(resource)
	tell := func(err error) { c.note(resource, err) }
	return cache.NewSharedIndexInformer(persistent(resource, from, tell), object, 0, nil)
}

// handle connects the informers with the mailbox and returns what tells that all of a list was delivered.
func (c *Cluster) handle() ([]cache.InformerSynced, error) {
	var handled []cache.InformerSynced
	var errs []error
	for resource, handler := range map[string]cache.ResourceEventHandler{
		"namespaces": handler[*corev1.Namespace, policy.Namespace]{
			deliver: c.deliver,
			convert: func(n *corev1.Namespace) (policy.Namespace, bool) { return policy.NewNamespace(n), true },
			set:     func(n policy.Namespace) graph.Event { return graph.NamespaceSet{Namespace: n} },
			gone:    func(n *corev1.Namespace) graph.Event { return graph.NamespaceGone{Name: n.Name} },
		},
		"nodes": handler[*corev1.Node, policy.Node]{
			deliver: c.deliver,
			convert: func(n *corev1.Node) (policy.Node, bool) { return policy.NewNode(n), true },
			set:     func(n policy.Node) graph.Event { return graph.NodeSet{Node: n} },
			gone:    func(n *corev1.Node) graph.Event { return graph.NodeGone{Name: n.Name} },
		},
		"pods": handler[*corev1.Pod, policy.Pod]{
			deliver: c.deliver,
			convert: policy.NewPod,
			set:     func(p policy.Pod) graph.Event { return graph.PodSet{Pod: p} },
			gone: func(p *corev1.Pod) graph.Event {
				return graph.PodGone{Key: policy.Key{Namespace: p.Namespace, Name: p.Name}}
			},
		},
		"networkpolicies": cache.ResourceEventHandlerFuncs{
			AddFunc:    c.setPolicy,
			UpdateFunc: func(_, o any) { c.setPolicy(o) },
			DeleteFunc: func(o any) { c.graves.bury(last[*networkingv1.NetworkPolicy](o)) },
		},
	} {
		informer := c.informer[resource]
		registration, err := informer.AddEventHandler(handler)
		errs = append(errs, err, informer.SetTransform(trim), informer.SetWatchErrorHandler(quiet))
		if err == nil {
			handled = append(handled, registration.HasSynced)
		}
	}
	return handled, errors.Join(errs...)
}

// quiet is how client-go learns that an error is told by others.
func quiet(*cache.Reflector, error) {}

// note takes in how it went with a subject, and delivers the complaints if they are others now.
func (c *Cluster) note(subject string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err == nil {
		c.outages.works(subject)
	} else {
		c.outages.failed(subject, err, now)
	}
	if list, blind := c.outages.complaints(now); !maps.Equal(list, c.told) {
		c.told = list
		c.deliver(Mail{Complaints: list, Blind: blind})
	}
}

func (c *Cluster) setPolicy(o any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := o.(*networkingv1.NetworkPolicy); ok {
		c.deliver(Mail{Events: []graph.Event{graph.PolicySet{Policy: policy.Parse(p)}}})
	}
}

// handler turns the changes of one kind of object into events, leaving out what changes nothing.
type handler[Object any, Value interface{ Equal(Value) bool }] struct {
	deliver func(Mail)
	convert func(Object) (value Value, counts bool)
	set     func(Value) graph.Event
	gone    func(Object) graph.Event
}

func (h handler[Object, Value]) OnAdd(o any, _ bool) {
	if object, ok := o.(Object); ok {
		if value, counts := h.convert(object); counts {
			h.deliver(Mail{Events: []graph.Event{h.set(value)}})
		}
	}
}

func (h handler[Object, Value]) OnUpdate(was, is any) {
	before, ok := was.(Object)
	after, alsoOK := is.(Object)
	if !ok || !alsoOK {
		return
	}
	old, counted := h.convert(before)
	value, counts := h.convert(after)
	switch {
	case counts && !(counted && old.Equal(value)):
		h.deliver(Mail{Events: []graph.Event{h.set(value)}})
	case counted && !counts:
		h.deliver(Mail{Events: []graph.Event{h.gone(after)}})
	}
}

func (h handler[Object, Value]) OnDelete(o any) {
	h.deliver(Mail{Events: []graph.Event{h.gone(last[Object](o))}})
}

// last unwraps an object whose deletion was missed.
func last[Object any](o any) Object {
	if missed, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = missed.Obj
	}
	object, _ := o.(Object)
	return object
}
