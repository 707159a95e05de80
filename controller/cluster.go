package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/informers"
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

	mu         sync.Mutex        // guards complaints, and that policies are delivered in the order of the cache
	complaints map[string]string // by resource, until it is synced
}

// Run delivers the state of the cluster and its changes until ctx ends.
func (c *Cluster) Run(ctx context.Context, deliver func(Mail)) error {
	factory := informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithTransform(trim))
	c.deliver, c.complaints = deliver, map[string]string{}
	c.informer = map[string]cache.SharedIndexInformer{
		"namespaces":      factory.Core().V1().Namespaces().Informer(),
		"nodes":           factory.Core().V1().Nodes().Informer(),
		"pods":            factory.Core().V1().Pods().Informer(),
		"networkpolicies": factory.Networking().V1().NetworkPolicies().Informer(),
	}
	c.graves = newGraveyard(c)
	handled, err := c.handle()
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	go c.graves.run(ctx)
	if cache.WaitForCacheSync(ctx.Done(), handled...) {
		deliver(Mail{Synced: true, Complaints: map[string]string{}})
	}
	<-ctx.Done()
	factory.Shutdown()
	return nil
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
		errs = append(errs, err, informer.SetWatchErrorHandler(c.complain(resource)))
		if err == nil {
			handled = append(handled, registration.HasSynced)
		}
	}
	return handled, errors.Join(errs...)
}

// complain notes why a resource cannot be read; once everything was, the informers' last good state counts.
func (c *Cluster) complain(resource string) cache.WatchErrorHandler {
	return func(_ *cache.Reflector, err error) {
		if c.informer[resource].HasSynced() {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.complaints[resource] = fmt.Sprintf("%s: %v; the agent needs the verbs get, list and watch on it", resource, err)
		list := map[string]string{}
		for name, text := range c.complaints {
			if !c.informer[name].HasSynced() {
				list[name] = text
			}
		}
		c.deliver(Mail{Complaints: list, Blind: true})
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
