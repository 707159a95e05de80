package sandbox_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// story is a scene and what happens then.
type story struct {
	scene
	steps []step
}

// step changes the world, which is a copy of the one before, and says what must be true then.
type step struct {
	name  string
	do    func(*stage)
	flows string
}

// stage is a world that is being changed. Objects are replaced, never changed: the controllers are
// told of those that are not the same as before.
type stage struct {
	*oracle.World
	t testing.TB
}

// What changes do, on packets: one cluster goes from story to story.
func TestChangesOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			r.play(t, s.scene)
			for _, step := range s.steps {
				w := changedWorld(t, r.told, step.do)
				r.become(w)
				r.check(w, step.flows)
				r.agree(w)
				if t.Failed() {
					t.Fatalf("at the step %q", step.name)
				}
			}
		})
	}
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
	s.Namespaces = slices.DeleteFunc(s.Namespaces,
		func(ns *corev1.Namespace) bool { return ns.Name == name })
	s.Namespaces = append(s.Namespaces, newNamespace(name, labels))
}

// end lets a namespace terminate.
func (s *stage) end(name string) {
	i := slices.IndexFunc(s.Namespaces, func(ns *corev1.Namespace) bool { return ns.Name == name })
	s.Namespaces[i] = s.Namespaces[i].DeepCopy()
	s.Namespaces[i].DeletionTimestamp = moment(1)
}

func (s *stage) policy(text string) {
	p := newPolicy(s.t, text)
	s.dropPolicy(p.Namespace + "/" + p.Name)
	s.Policies = append(s.Policies, p)
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
var jobs = scene{
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

func (s scene) named(name string) scene {
	s.name = name
	return s
}

func stories() []story {
	const next = `deny a/next > a/web TCP 80
		allow a/next > a/far TCP 80
		allow a/web > a/next UDP 80
		allow a/far > a/next TCP 80`
	const again = `allow a/next > a/web TCP 80
		deny a/next > a/far TCP 80
		deny a/web > a/next TCP 80`
	return []story{
		{jobs.named("the next pod has a completed one's address"), []step{
			{"completed and reused at once", func(s *stage) {
				s.heir("a/job", "a/next", "n1", "app=next")
				s.pod("a/job", complete)
			}, next},
			{"the old one is deleted late", func(s *stage) { s.dropPod("a/job") }, next},
			{"the new one is relabelled", func(s *stage) { s.pod("a/next", relabel("job")) },
				again},
		}},
		{jobs.named("the next pod has the address before the old one is known to be over"), []step{
			{"both claim it", func(s *stage) { s.heir("a/job", "a/next", "n1", "app=job") }, again},
			{"the old one is deleted late", func(s *stage) { s.dropPod("a/job") }, again},
			{"a third", func(s *stage) {
				s.heir("a/next", "a/third", "n1", "app=next")
				s.dropPod("a/next")
			},
				`allow a/third > a/far TCP 80
				deny a/third > a/web TCP 80
				allow a/web > a/third TCP 80`},
		}},
		{jobs.named("a pod is edited out of selectors and into them"), []step{
			{"out", func(s *stage) { s.pod("a/job", relabel("next")) },
				`deny a/job > a/web TCP 80
				allow a/job > a/far TCP 80
				allow a/web > a/job TCP 80`},
			{"in", func(s *stage) { s.pod("a/job", relabel("job")) }, jobs.flows},
			{"to another address", func(s *stage) {
				s.pod("a/job", func(p *corev1.Pod) { place(p, 77) })
			}, jobs.flows},
			{"to another node", func(s *stage) {
				s.pod("a/job",
					func(p *corev1.Pod) { p.Spec.NodeName = "n3"; place(p, 5) })
			}, jobs.flows},
			{"without labels", func(s *stage) {
				s.pod("a/job",
					func(p *corev1.Pod) { p.Labels = nil })
			},
				`deny a/job > a/web TCP 80
				deny a/job > a/far TCP 80
				allow a/web > a/job TCP 80`},
		}},
		{jobs.named("a policy is edited"), []step{
			{"other subjects", func(s *stage) {
				s.policy(
					`a/web {podSelector: {matchLabels: {app: job}}, ingress: [{from: [{podSelector: {matchLabels: {app: far}}}]}]}`)
			}, `allow a/far > a/web TCP 80
				allow a/far > a/job TCP 80
				deny a/web > a/job TCP 80`},
			{"other direction", func(s *stage) {
				s.policy(
					`a/job {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress]}`)
			},
				`deny a/job > a/web TCP 80
				allow a/far > a/job TCP 80
				deny a/web > a/job TCP 80`},
			{"other peers, other port", func(s *stage) {
				s.policy(
					`a/web {podSelector: {matchLabels: {app: job}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 81}]}]}`)
			}, `deny a/far > a/job TCP 81
				deny a/web > a/job TCP 80
				allow a/web > a/job TCP 81`},
			{"all deleted", func(s *stage) { s.Policies = nil },
				`allow a/job > a/web TCP 80
				allow a/web > a/job TCP 80
				allow a/job > a/far TCP 80`},
			{"one is there again", func(s *stage) {
				s.policy(`a/job {podSelector: {matchLabels: {app: job}}, ingress: []}`)
			},
				`allow a/job > a/web TCP 80
				deny a/web > a/job TCP 80`},
		}},
		{namespaced.named("namespaces change after their pods"), []step{
			{"labelled", func(s *stage) {
				s.namespace("b", "team=blue")
			}, `allow b/cli > a/web TCP 80
				allow b/far > a/web TCP 80
				deny a/cli > a/web TCP 80`},
			{"edited out", func(s *stage) {
				s.namespace("b", "team=red")
				s.namespace("a", "team=blue")
			}, `deny b/cli > a/web TCP 80
				deny b/far > a/web TCP 80
				allow a/cli > a/web TCP 80`},
			{"deleted and created", func(s *stage) {
				s.dropPod("b/far")
				s.namespace("b", "team=blue")
			}, `allow b/cli > a/web TCP 80
				allow a/cli > a/web TCP 80`},
		}},
		{namespaced.named("pods are there before their namespaces"), []step{
			{"no namespace at all", func(s *stage) { s.Namespaces = nil }, namespaced.flows},
			{"its namespace comes", func(s *stage) {
				s.namespace("b", "team=blue")
			}, `allow b/cli > a/web TCP 80
				allow b/far > a/web TCP 80
				deny a/cli > a/web TCP 80`},
			{"it goes again", func(s *stage) { s.Namespaces = nil }, namespaced.flows},
			{"by the name that every one has", func(s *stage) {
				s.policy(
					`a/web {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: b}}}]}]}`)
			}, `allow b/cli > a/web TCP 80
				deny a/cli > a/web TCP 80`},
		}},
	}
}

// namespaced is a world in which it matters what labels a namespace has.
var namespaced = scene{
	pods: `a/web n1 app=web
		a/cli n2
		b/cli n1
		b/far n3`,
	policies: []string{`a/web {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}`},
	flows: `deny b/cli > a/web TCP 80
		deny b/far > a/web TCP 80
		deny a/cli > a/web TCP 80`,
}
