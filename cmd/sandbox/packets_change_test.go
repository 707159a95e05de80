package sandbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// stage is a world that is being changed. Objects are replaced, never changed: the controllers are
// told of those that are not the same as before.
type stage struct {
	*oracle.World
	t testing.TB
}

// changedWorld is a world after a change.
func changedWorld(t testing.TB, w *oracle.World, change func(*stage)) *oracle.World {
	next := &oracle.World{
		Namespaces: slices.Clone(w.Namespaces), Pods: slices.Clone(w.Pods),
		Nodes: slices.Clone(w.Nodes), Policies: slices.Clone(w.Policies),
	}
	change(&stage{next, t})
	return next
}

func (s *stage) pod(id string, change func(*corev1.Pod)) {
	i := slices.IndexFunc(s.Pods, func(p *corev1.Pod) bool { return p.Namespace+"/"+p.Name == id })
	s.Pods[i] = s.Pods[i].DeepCopy()
	change(s.Pods[i])
}

func (s *stage) namespace(name string, labels ...string) {
	*s.World = *edited(s.t, s.World, "namespace "+name+" "+strings.Join(labels, " "))
}

// end lets a namespace terminate.
func (s *stage) end(name string) {
	i := slices.IndexFunc(s.Namespaces, func(ns *corev1.Namespace) bool { return ns.Name == name })
	s.Namespaces[i] = s.Namespaces[i].DeepCopy()
	s.Namespaces[i].DeletionTimestamp = moment(1)
}

func (s *stage) policy(text string) {
	*s.World = *edited(s.t, s.World, "policy "+strings.Join(strings.Fields(text), " "))
}

func (s *stage) dropPolicy(id string) {
	s.Policies = slices.DeleteFunc(s.Policies, func(p *networkingv1.NetworkPolicy) bool {
		return p.Namespace+"/"+p.Name == id
	})
}

func (s *stage) dropPod(id string) {
	s.Pods = slices.DeleteFunc(s.Pods, func(p *corev1.Pod) bool {
		return p.Namespace+"/"+p.Name == id
	})
}

// heir adds a pod by a scene's line that has the addresses of another and started after it.
func (s *stage) heir(of string, line ...string) {
	p := newPod(s.t, s.World, line)
	s.pod(of, func(old *corev1.Pod) {
		p.Status.PodIP, p.Status.PodIPs = old.Status.PodIP, old.Status.PodIPs
		old.Status.StartTime = moment(1)
	})
	p.Status.StartTime = moment(2)
	s.Pods = append(s.Pods, p)
}

func moment(minute int) *metav1.Time {
	t := metav1.NewTime(time.Date(2025, 1, 2, 3, minute, 0, 0, time.UTC))
	return &t
}

// relabel gives a pod one label.
func relabel(value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels = map[string]string{"app": value} }
}

func complete(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }

// jobs is a world in which it matters which pod has an address: as a peer and as a subject.
var jobs = setting{
	pods: `a/job n1 app=job
		a/web n1 app=web
		a/far n2 app=far`,
	policies: []string{
		`a/web {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: job}}}]}]}`,
		`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [{podSelector: {matchLabels: {app: next}}}]}]}`,
		`a/job {podSelector: {matchLabels: {app: job}}, ingress: []}`},
	flows: `allow a/job > a/web TCP 80
		deny a/job > a/far TCP 80
		deny a/web > a/job TCP 80`,
}

func (s setting) named(name string) setting {
	s.name = name
	return s
}
