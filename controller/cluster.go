package controller

import (
	"context"
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
	Client  kubernetes.Interface
	Node    string             // in whose name Events are written
	mirrors map[string]*mirror // by resource
	deliver func(Mail)
	graves  *graveyard
	herald  *herald

	mu      sync.Mutex // guards the fields below, and that policies are delivered in the order of their mirror
	outages outages
	told    map[string]string // the complaints delivered last
}

// Run delivers the state of the cluster and its changes until ctx ends.
func (c *Cluster) Run(ctx context.Context, deliver func(Mail)) error {
	core, networking := c.Client.CoreV1(), c.Client.NetworkingV1()
	c.deliver, c.outages = deliver, outages{}
	c.mirrors = map[string]*mirror{
		"namespaces":      follow(c, "namespaces", &corev1.Namespace{}, core.Namespaces()),
		"nodes":           follow(c, "nodes", &corev1.Node{}, core.Nodes()),
		"pods":            follow(c, "pods", &corev1.Pod{}, core.Pods("")),
		"networkpolicies": follow(c, "networkpolicies", &networkingv1.NetworkPolicy{}, networking.NetworkPolicies("")),
	}
	c.graves, c.herald = newGraveyard(c), newHerald(c)
	c.handle()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { c.graves.run(ctx) })
	running.Go(func() { c.herald.run(ctx) })
	for _, m := range c.mirrors {
		running.Go(func() { m.run(ctx) })
	}
	if c.complete(ctx) {
		deliver(Mail{Synced: true})
	}
	<-ctx.Done()
	return nil
}

// complete waits until all that there is was delivered, and reports false if ctx ends before.
func (c *Cluster) complete(ctx context.Context) bool {
	for _, m := range c.mirrors {
		select {
		case <-m.complete:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// follow keeps what is to be known of one resource.
func follow[List runtime.Object](c *Cluster, resource string, kind runtime.Object, from reader[List]) *mirror {
	c.outages.expect(resource)
	tell := func(err error) { c.note(resource, err) }
	return newMirror(persistent(resource, from, tell), kind)
}

// handle connects the mirrors with the mailbox.
func (c *Cluster) handle() {
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
			DeleteFunc: c.buryPolicy,
		},
	} {
		c.mirrors[resource].handler = handler
	}
}

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

func (c *Cluster) buryPolicy(o any) {
	if p, ok := o.(*networkingv1.NetworkPolicy); ok {
		c.graves.bury(p)
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
	if object, ok := o.(Object); ok {
		h.deliver(Mail{Events: []graph.Event{h.gone(object)}})
	}
}
