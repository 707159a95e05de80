package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
)

// theatre is a stage with an agent and two pods that really are there, in a namespace of their own.
type theatre struct {
	*stage
	agent  *agent
	knocks *knocks
	heard  chan time.Time
	pauses samples // between knocks

	created, allowed, denied, deleted act
}

const ownSpace = "bench"

// Addresses that no pod of a world has.
var (
	doorPod    = sandbox.Pod{Name: ownSpace + "/door", Node: samplecluster.Looked, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.252")}}
	knockerPod = sandbox.Pod{Name: ownSpace + "/knocker", Node: samplecluster.Looked, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.253")}}
)

// openTheatre adds the pods to a stage and starts the agent.
func openTheatre(ctx context.Context, s *stage) (t *theatre, err error) {
	t = &theatre{
		stage: s, heard: make(chan time.Time, 100),
		created: act{name: "policy created, traffic denied", promised: true}, allowed: act{name: "pod labelled, traffic allowed", promised: true},
		denied: act{name: "pod labelled, traffic denied", promised: true}, deleted: act{name: "policy deleted, traffic allowed"},
	}
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ownSpace}}
	if _, err := s.real.Admin.CoreV1().Namespaces().Create(ctx, own, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	for pod, role := range map[*sandbox.Pod]string{&doorPod: "door", &knockerPod: stranger} {
		if err := errors.Join(s.AddPod(*pod), t.register(ctx, *pod, role)); err != nil {
			return nil, err
		}
	}
	// Each knock is a connection to conntrack, which would hold it for half a minute.
	err = s.InNode(samplecluster.Looked, func() error { return writeSysctl("net/netfilter/nf_conntrack_udp_timeout", "1") })
	if err != nil {
		return nil, err
	}
	if t.agent, _, err = s.startAgent(); err != nil {
		return nil, err
	}
	if t.knocks, err = newKnocks(s.Cluster, knockerPod, doorPod); err != nil {
		return nil, err
	}
	return t, t.watchOwn(ctx)
}

func (t *theatre) close() error { return errors.Join(t.knocks.close(), t.agent.close()) }

// register tells the API server of a pod as scheduler and kubelet would.
func (t *theatre) register(ctx context.Context, spec sandbox.Pod, role string) error {
	_, name, _ := strings.Cut(spec.Name, "/")
	pods := t.real.Admin.CoreV1().Pods(ownSpace)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"role": role}},
		Spec:       corev1.PodSpec{NodeName: spec.Node, Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: spec.Addrs[0].String(), PodIPs: []corev1.PodIP{{IP: spec.Addrs[0].String()}}}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

const (
	friend   = "friend"
	stranger = "stranger"
)

// guardDoor lets friends through.
func guardDoor() *networkingv1.NetworkPolicy {
	role := func(name string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"role": name}}
	}
	friends := role(friend)
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "door"}, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: role("door"),
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &friends}}}},
	}}
}

// acts are the changes, in the order in which they are played.
func (t *theatre) acts() []*act { return []*act{&t.created, &t.allowed, &t.denied, &t.deleted} }

// pause is from one change to the next, so that few meet what the one before has left to do: open connections are judged
// anew 50 ms after a change.
const pause = 100 * time.Millisecond

// play makes all changes, one after the other, some times. Without a part nothing of it is kept.
func (t *theatre) play(ctx context.Context, times int, p *part) error {
	policies := t.real.Admin.NetworkingV1().NetworkPolicies(ownSpace)
	for range times {
		for _, step := range []struct {
			act     *act
			call    func() error
			outcome func(*round) (time.Time, error)
		}{
			{&t.created, func() error { _, err := policies.Create(ctx, guardDoor(), metav1.CreateOptions{}); return err }, (*round).shut},
			{&t.allowed, func() error { return t.label(ctx, friend) }, (*round).open},
			{&t.denied, func() error { return t.label(ctx, stranger) }, (*round).shut},
			{&t.deleted, func() error { return policies.Delete(ctx, "door", metav1.DeleteOptions{}) }, (*round).open},
		} {
			if err := t.change(step.act, step.call, step.outcome); err != nil {
				return err
			}
			if err := stand(ctx, pause); err != nil {
				return err
			}
		}
	}
	if p == nil {
		for _, a := range t.acts() {
			*a = act{name: a.name, promised: a.promised}
		}
	}
	return nil
}

func (t *theatre) label(ctx context.Context, role string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{"role":%q}}}`, role)
	_, err := t.real.Admin.CoreV1().Pods(ownSpace).Patch(ctx, "knocker", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
