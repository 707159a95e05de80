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

// graveyard holds deleted policies until it is known whether their namespace terminates. The watches of
// namespaces and policies are not ordered with each other: a policy's deletion may be heard before that of
// its namespace, and would open pods that are to stay isolated until they are gone (CVE-2024-7598). So the
// API server is asked for the namespace, once for all policies that went together; until it answers they
// stay in force.
type graveyard struct {
	cluster *Cluster
	queue   queue[string]           // namespaces
	dead    map[string][]policy.Key // by namespace; guarded by cluster.mu
}

func newGraveyard(c *Cluster) *graveyard {
	return &graveyard{cluster: c, queue: newQueue[string](), dead: map[string][]policy.Key{}}
}

func (g *graveyard) bury(p policy.Key) {
	g.cluster.mu.Lock()
	defer g.cluster.mu.Unlock()
	g.dead[p.Namespace] = append(g.dead[p.Namespace], p)
	g.queue.Add(p.Namespace)
}

func (g *graveyard) run(ctx context.Context) { work(ctx, g.queue, g.exhume) }

// exhume asks for one namespace and lets those of its policies go that were dead before it asked: the answer
// does not tell whether the namespace terminated before a later one was deleted.
func (g *graveyard) exhume(ctx context.Context, name string) error {
	g.cluster.mu.Lock()
	dead := len(g.dead[name])
	g.cluster.mu.Unlock()
	ns, err := g.cluster.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	exists := !apierrors.IsNotFound(err)
	if exists && err != nil {
		err = fmt.Errorf("get namespaces: %w; policies deleted from %s stay in force", err, name)
		g.cluster.note("deleted policies", err)
		return err
	}
	g.cluster.note("deleted policies", nil)
	var events []graph.Event
	if exists {
		events = append(events, graph.NamespaceSet{Namespace: policy.NewNamespace(ns)})
	}
	g.release(name, dead, events)
	return nil
}

// release delivers the first deletions, but of policies that are there again.
func (g *graveyard) release(namespace string, count int, events []graph.Event) {
	g.cluster.mu.Lock()
	defer g.cluster.mu.Unlock()
	policies := g.cluster.mirrors["networkpolicies"]
	for _, key := range g.dead[namespace][:count] {
		if !policies.knows(key) {
			events = append(events, graph.PolicyGone{Key: key})
		}
	}
	if g.dead[namespace] = g.dead[namespace][count:]; len(g.dead[namespace]) == 0 {
		delete(g.dead, namespace)
	}
	g.cluster.deliver(source.Mail{Events: events})
}
