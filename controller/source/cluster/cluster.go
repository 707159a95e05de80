package cluster

import (
	"context"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/policy"
)

// Cluster is a Source over the API of a cluster: it lists and watches namespaces, nodes, network policies
// and pods. It is a Reporter too.
type Cluster struct {
	Client  kubernetes.Interface
	Node    string             // in whose name Events are written
	mirrors map[string]*mirror // by resource
	deliver func(source.Mail)
	graves  *graveyard
	herald  *herald

	mu      sync.Mutex // guards the fields below, and that policies are delivered in the order of their mirror
	outages outages
	told    map[string]string       // the complaints delivered last
	ids     map[policy.Key]identity // of all policies
	wrong   map[policy.Key][]policy.Problem
}

// Run delivers the state of the cluster and its changes until ctx ends.
func (c *Cluster) Run(ctx context.Context, deliver func(source.Mail)) error {
	core := c.Client.CoreV1()
	c.deliver, c.outages, c.ids, c.wrong = deliver, outages{}, map[policy.Key]identity{}, map[policy.Key][]policy.Problem{}
	c.mirrors = map[string]*mirror{
		"namespaces":      follow(c, "namespaces", &corev1.Namespace{}, core.Namespaces()),
		"nodes":           follow(c, "nodes", &corev1.Node{}, core.Nodes()),
		"pods":            follow(c, "pods", &corev1.Pod{}, core.Pods("")),
		"networkpolicies": followPolicies(c),
	}
	c.graves, c.herald = newGraveyard(c), newHerald(c)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { c.graves.run(ctx) })
	running.Go(func() { c.herald.run(ctx) })
	for _, m := range c.mirrors {
		running.Go(func() { m.run(ctx) })
	}
	if c.complete(ctx) {
		deliver(source.Mail{Synced: true})
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

// follow keeps up with one resource, and delivers what its objects say.
func follow[List runtime.Object](c *Cluster, resource string, kind runtime.Object, from reader[List]) *mirror {
	c.outages.expect(resource)
	d := newDigest()
	m := newMirror(persistent(resource, from, d.read, func(err error) { c.note(resource, err) }), kind, d)
	m.tell = func(n *news) { c.deliver(source.Mail{Events: []graph.Event{n.event}}) }
	m.gone = func(key policy.Key) { c.deliver(source.Mail{Events: []graph.Event{graph.GoneOf(kind, key)}}) }
	return m
}

// followPolicies is follow for policies, which have more to them when they are wrong and when they go.
func followPolicies(c *Cluster) *mirror {
	m := follow(c, "networkpolicies", &networkingv1.NetworkPolicy{}, c.Client.NetworkingV1().NetworkPolicies(""))
	m.tell, m.gone = c.setPolicy, c.buryPolicy
	return m
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
		c.deliver(source.Mail{Complaints: list, Blind: blind})
	}
}

func (c *Cluster) setPolicy(n *news) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wrong, n.key)
	c.ids[n.key] = identity{n.uid, n.revision}
	c.deliver(source.Mail{Events: []graph.Event{n.event}})
}

func (c *Cluster) buryPolicy(key policy.Key) {
	c.mu.Lock()
	delete(c.wrong, key)
	delete(c.ids, key)
	c.mu.Unlock()
	c.graves.bury(key)
}
