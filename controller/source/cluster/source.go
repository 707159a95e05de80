package cluster

import (
	"context"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/ruleset/policy"
)

// Source reads the API of a cluster: it lists and watches namespaces, nodes, network policies and
// pods. It implements the controller's Source and Reporter. Client and Node must be set.
type Source struct {
	Client *client.Client
	Node   string // the node of this agent, in whose name Events are written

	stores   []*store // one for each kind
	policies *store   // one of the stores
	deliver  func(source.Mail)
	deleted  *deletedPolicies
	events   *eventWriter
	heard    hearing

	mu         sync.Mutex // guards the fields below, and keeps mail about policies in order
	outages    outages
	complaints map[string]string               // as they were delivered last
	revisions  map[policy.Key]revision         // of all policies
	pods       map[policy.Key]types.UID        // of this node
	problems   map[policy.Key][]policy.Problem // of the policies that have some
}

// Run delivers the state of the cluster and its changes until ctx ends.
func (s *Source) Run(ctx context.Context, deliver func(source.Mail)) error {
	s.prepare(deliver)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { s.deleted.run(ctx) })
	running.Go(func() { s.events.run(ctx) })
	for _, store := range s.stores {
		running.Go(func() { store.run(ctx) })
	}
	if s.listed(ctx) {
		deliver(source.Mail{Synced: true})
	}
	<-ctx.Done()
	return nil
}

// prepare makes all that Run works with. Here stands which kinds of objects are read.
func (s *Source) prepare(deliver func(source.Mail)) {
	s.deliver, s.outages = deliver, outages{}
	s.revisions, s.problems = map[policy.Key]revision{}, map[policy.Key][]policy.Problem{}
	s.deleted, s.events = newDeletedPolicies(s), newEventWriter(s)
	s.policies = newSourceStore(s, "networkpolicies", &networkingv1.NetworkPolicy{},
		s.Client.Policies(""))
	s.policies.changed, s.policies.gone = s.reportedChanged, s.policyGone
	pods := newSourceStore(s, "pods", &corev1.Pod{}, s.Client.Pods(""))
	s.notePods(pods)
	namespaces := newSourceStore(s, "namespaces", &corev1.Namespace{}, s.Client.Namespaces)
	namespaces.changed, namespaces.gone = s.reportedChanged, s.namespaceGone
	s.stores = []*store{
		namespaces,
		newSourceStore(s, "nodes", &corev1.Node{}, s.Client.Nodes),
		pods, s.policies,
	}
}

// listed waits until all objects that there are were delivered. It reports false if ctx ends first.
func (s *Source) listed(ctx context.Context) bool {
	for _, store := range s.stores {
		select {
		case <-store.listed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// newSourceStore returns the store of one resource, whose changes the source delivers. The kind is
// an empty object of the resource.
func newSourceStore[List runtime.Object](
	s *Source, resource string, kind runtime.Object, from lister[List],
) *store {
	s.outages.expect(resource)
	c := newConverter()
	to := listener{func(err error) { s.recordResult(resource, err) }, func() { s.heard.note(resource) }}
	store := newStore(newListWatch(resource, from, c.convert, to), kind, c)
	store.changed = func(o *object) {
		s.deliver(source.Mail{Events: []graph.Event{o.event}})
	}
	store.gone = func(key policy.Key) {
		s.deliver(source.Mail{Events: []graph.Event{graph.GoneOf(kind, key)}})
	}
	return store
}

// recordResult records how the last call about a subject went, nil for well, and delivers the
// complaints if they have changed.
func (s *Source) recordResult(subject string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err == nil {
		s.outages.succeeded(subject)
	} else {
		s.outages.failed(subject, err, now)
	}
	if list, blind := s.outages.complaints(now); !maps.Equal(list, s.complaints) {
		s.complaints = list
		s.deliver(source.Mail{Complaints: list, Blind: blind})
	}
}

// reportedChanged delivers a policy or a namespace. Problems of its former revision are forgotten:
// the controller reports those of the new one.
func (s *Source) reportedChanged(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.problems, o.key)
	// One of the same name that follows without a word in between is another one.
	was, known := s.revisions[o.key]
	if o.key.Namespace == "" && known && was.uid != o.revision.uid {
		s.deleted.namespaceGone(o.key.Name)
	}
	s.revisions[o.key] = o.revision
	s.deliver(source.Mail{Events: []graph.Event{o.event}})
}

// namespaceGone forgets a namespace here, and delivers its deletion.
func (s *Source) namespaceGone(key policy.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.problems, key)
	delete(s.revisions, key)
	s.deleted.namespaceGone(key.Name)
	s.deliver(source.Mail{Events: []graph.Event{graph.GoneOf(&corev1.Namespace{}, key)}})
}

// policyGone forgets a policy here, and has its deletion delivered once that is safe.
func (s *Source) policyGone(key policy.Key) {
	s.mu.Lock()
	delete(s.problems, key)
	delete(s.revisions, key)
	s.mu.Unlock()
	s.deleted.add(key)
}
