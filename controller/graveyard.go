package controller

import (
	"context"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// graveyard holds deleted policies until it is known whether their namespace terminates. The watches of
// namespaces and policies are not ordered with each other: a policy's deletion may be heard before that of
// its namespace, and would open pods that are to stay isolated until they are gone (CVE-2024-7598). So the
// API server is asked for the namespace, once for all policies that went together; until it answers they
// stay in force.
type graveyard struct {
	cluster *Cluster
	queue   workqueue.TypedRateLimitingInterface[string] // namespaces
	dead    map[string][]policy.Key                      // by namespace; guarded by cluster.mu
}

func newGraveyard(c *Cluster) *graveyard {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 5*time.Second)
	return &graveyard{cluster: c, queue: workqueue.NewTypedRateLimitingQueue(limiter), dead: map[string][]policy.Key{}}
}

func (g *graveyard) bury(p *networkingv1.NetworkPolicy) {
	if p == nil {
		return
	}
	g.cluster.mu.Lock()
	defer g.cluster.mu.Unlock()
	g.dead[p.Namespace] = append(g.dead[p.Namespace], policy.Key{Namespace: p.Namespace, Name: p.Name})
	g.queue.Add(p.Namespace)
}

func (g *graveyard) run(ctx context.Context) {
	go func() {
		<-ctx.Done()
		g.queue.ShutDown()
	}()
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		for g.next(ctx) {
		}
	}, time.Second)
}

// next asks for one namespace and lets its dead policies go; it reports whether there may be more.
func (g *graveyard) next(ctx context.Context) bool {
	name, shutdown := g.queue.Get()
	if shutdown {
		return false
	}
	defer g.queue.Done(name)
	ns, err := g.cluster.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		g.queue.AddRateLimited(name)
		return true
	}
	g.queue.Forget(name)
	var events []graph.Event
	if err == nil {
		events = append(events, graph.NamespaceSet{Namespace: policy.NewNamespace(ns)})
	}
	g.release(name, events)
	return true
}

// release delivers the deletions, but of policies that are there again.
func (g *graveyard) release(namespace string, events []graph.Event) {
	g.cluster.mu.Lock()
	defer g.cluster.mu.Unlock()
	store := g.cluster.informer["networkpolicies"].GetStore()
	for _, key := range g.dead[namespace] {
		if _, again, _ := store.GetByKey(key.String()); !again {
			events = append(events, graph.PolicyGone{Key: key})
		}
	}
	delete(g.dead, namespace)
	g.cluster.deliver(Mail{Events: events})
}
