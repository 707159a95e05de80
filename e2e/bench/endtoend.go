package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/e2e/apiserver"
)

// endToEnd is a cluster with an agent and two pods between which datagrams are sent, in a namespace
// of their own.
type endToEnd struct {
	*testCluster
	agent     *agent
	datagrams *datagrams
	watched   chan time.Time // when the benchmark's own watches received an event
	pauses    samples        // between datagrams
	changes   []*change      // in the order in which they are made
}

const ownSpace = "bench"

// The pods have addresses that no pod of samplecluster has.
var (
	serverPod = sandbox.Pod{
		Name: ownSpace + "/server", Node: samplecluster.LocalNode,
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.252")},
	}
	clientPod = sandbox.Pod{
		Name: ownSpace + "/client", Node: samplecluster.LocalNode,
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.253")},
	}
)

// Values of the label role.
const (
	serverRole  = "server"
	permitted   = "permitted"
	unpermitted = "unpermitted"
)

// newEndToEnd adds the pods to a cluster and starts the agent.
func newEndToEnd(ctx context.Context, s *testCluster) (e *endToEnd, err error) {
	e = &endToEnd{testCluster: s, watched: make(chan time.Time, 100)}
	e.changes = e.allChanges(ctx)
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ownSpace}}
	_, err = s.real.Admin.CoreV1().Namespaces().Create(ctx, own, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	for pod, role := range map[*sandbox.Pod]string{&serverPod: serverRole,
		&clientPod: unpermitted} {
		if err := errors.Join(s.AddPod(*pod), s.real.RegisterPod(ctx, *pod,
			map[string]string{"role": role})); err != nil {
			return nil, err
		}
	}
	// Each datagram is a connection to conntrack, which would hold it for half a minute.
	err = s.InNode(samplecluster.LocalNode, func() error {
		return writeSysctl("net/netfilter/nf_conntrack_udp_timeout", "1")
	})
	if err != nil {
		return nil, err
	}
	if e.agent, _, err = s.startAgent(); err != nil {
		return nil, err
	}
	if e.datagrams, err = newDatagrams(s.Cluster, clientPod, serverPod); err != nil {
		return nil, err
	}
	return e, e.watch(ctx)
}

// withEndToEnd has a function measure in a cluster of a size, of which so many local pods are the
// benchmark's own.
func withEndToEnd(ctx context.Context, size samplecluster.Size, own int,
	measure func(*endToEnd) error) (err error) {
	size.Local -= min(own, size.Local)
	cluster, err := newRealCluster(ctx, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.end()) }()
	e, err := newEndToEnd(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	return measure(e)
}

func (e *endToEnd) close() error { return errors.Join(e.datagrams.close(), e.agent.close()) }

// serverPolicy lets the client reach the server while it has the role permitted.
func serverPolicy() *networkingv1.NetworkPolicy {
	peers := withRole(permitted)
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "server"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: withRole(serverRole),
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &peers}}},
			},
		},
	}
}

// allChanges lists what is changed again and again; after the last one everything is as it was.
func (e *endToEnd) allChanges(ctx context.Context) []*change {
	policies := e.real.Admin.NetworkingV1().NetworkPolicies(ownSpace)
	create := func() error {
		_, err := policies.Create(ctx, serverPolicy(), metav1.CreateOptions{})
		return err
	}
	remove := func() error { return policies.Delete(ctx, "server", metav1.DeleteOptions{}) }
	return []*change{
		{name: "policy created, traffic denied", promised: true, call: create,
			outcome: (*sending).denied},
		{name: "pod labelled, traffic allowed", promised: true,
			call: func() error { return e.label(ctx, permitted) }, outcome: (*sending).allowed},
		{name: "pod labelled, traffic denied", promised: true,
			call: func() error { return e.label(ctx, unpermitted) }, outcome: (*sending).denied},
		{name: "policy deleted, traffic allowed", call: remove, outcome: (*sending).allowed},
	}
}

// changePause is from one change to the next, so that few meet what the one before has left to do:
// open connections are reviewed 50 ms after a change.
const changePause = 100 * time.Millisecond

// run makes all changes, one after the other, some times.
func (e *endToEnd) run(ctx context.Context, times int) error {
	for range times {
		for _, c := range e.changes {
			if err := e.make(c); err != nil {
				return err
			}
			if err := pause(ctx, changePause); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops the times of all changes so far.
func (e *endToEnd) forget() {
	e.pauses = nil
	for _, c := range e.changes {
		c.took, c.called, c.seen, c.agent, c.commit = nil, nil, nil, nil, nil
	}
}

// label changes the client's role.
func (e *endToEnd) label(ctx context.Context, role string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{"role":%q}}}`, role)
	_, err := e.real.Admin.CoreV1().Pods(ownSpace).Patch(
		ctx, "client", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// change is one of the changes, with the times of all repetitions: in all, of the API call alone,
// until a watch saw it, and what the agent says of its part.
type change struct {
	name     string
	promised bool
	call     func() error // makes it
	// waits until packets fare as it says
	outcome                           func(*sending) (time.Time, error)
	took, called, seen, agent, commit samples
}

// make makes a change, waits for what it makes of the datagrams, and notes the times.
func (e *endToEnd) make(c *change) error {
	before, err := e.agent.sums()
	if err != nil {
		return err
	}
	s := e.datagrams.begin()
	defer func() { e.pauses = append(e.pauses, s.end()...) }()
	time.Sleep(2 * time.Millisecond) // until the first ones are on their way
	e.drain()
	began := time.Now()
	if err := c.call(); err != nil {
		return err
	}
	called := time.Since(began)
	at, err := c.outcome(s)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	seen, err := e.seen(began)
	if err != nil {
		return fmt.Errorf("%s, the %d. time: %w", c.name, len(c.took)+1, err)
	}
	c.took, c.called = append(c.took, max(0, at.Sub(began))), append(c.called, called)
	c.seen = append(c.seen, seen)
	return c.noteAgent(e.agent, before)
}

// noteAgent notes what the agent has added to its histograms.
func (c *change) noteAgent(a *agent, before map[string]time.Duration) error {
	var after map[string]time.Duration
	// Packets may be there before the kernel's answer is.
	err := apiserver.Poll(time.Second, func() (err error) {
		if after, err = a.sums(); err == nil && after[latencyMetric] == before[latencyMetric] {
			err = errors.New("the agent has observed nothing")
		}
		return err
	})
	c.agent = append(c.agent, after[latencyMetric]-before[latencyMetric])
	c.commit = append(c.commit, after[commitMetric]-before[commitMetric])
	return err
}

// watch follows the pods and policies of the benchmark's namespace from now on.
func (e *endToEnd) watch(ctx context.Context) error {
	pods := e.real.Admin.CoreV1().Pods(ownSpace)
	policies := e.real.Admin.NetworkingV1().NetworkPolicies(ownSpace)
	podList, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	policyList, err := policies.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	podWatch, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: podList.ResourceVersion})
	if err != nil {
		return err
	}
	policyWatch, err := policies.Watch(ctx,
		metav1.ListOptions{ResourceVersion: policyList.ResourceVersion})
	if err != nil {
		return err
	}
	go e.receive(podWatch)
	go e.receive(policyWatch)
	return nil
}

// receive notes when the events of a watch arrive.
func (e *endToEnd) receive(w watch.Interface) {
	for range w.ResultChan() {
		select {
		case e.watched <- time.Now():
		default:
		}
	}
}

// drain forgets the events that have arrived.
func (e *endToEnd) drain() {
	for len(e.watched) > 0 {
		<-e.watched
	}
}

// seen waits for an event, and returns how long after began it arrived.
func (e *endToEnd) seen(began time.Time) (time.Duration, error) {
	for {
		select {
		case at := <-e.watched:
			if at.After(began) {
				return at.Sub(began), nil
			}
		case <-time.After(5 * time.Second):
			return 0, errors.New("the benchmark's own watch has received nothing")
		}
	}
}
