package sandbox_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
)

// setting is a small world of its own for a test of what no text says: what agents do, and when.
// Its parts are in the words of package scene.
type setting struct {
	name     string
	pods     string   // one a line, without "pod"
	policies []string // without "policy"
	flows    string
}

// trio is two pods of one node and one of another.
const trio = `a/web n1 app=web http:80/TCP dns:53/UDP
	a/cli n1 app=cli
	a/far n2 app=far`

// world is the setting as objects. Pods get addresses in the order of their lines.
func (s setting) world(t testing.TB) *oracle.World {
	t.Helper()
	var statements []string
	for line := range words(s.pods) {
		statements = append(statements, "pod "+strings.Join(line, " "))
		namespace, _, _ := strings.Cut(line[0], "/")
		statements = append(statements, "namespace "+namespace)
	}
	for _, text := range s.policies {
		statements = append(statements, "policy "+strings.Join(strings.Fields(text), " "))
	}
	return edited(t, &oracle.World{Nodes: usualCluster(t).Nodes}, statements...)
}

func usualCluster(t testing.TB) *oracle.World {
	t.Helper()
	w, err := scene.Cluster()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// edited is the world after statements.
func edited(t testing.TB, w *oracle.World, statements ...string) *oracle.World {
	t.Helper()
	next, err := scene.Edit(w, strings.Join(statements, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// words are the lines of a text that are not empty, in words.
func words(text string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) > 0 && !yield(fields) {
				return
			}
		}
	}
}

// newPod reads a pod of a world with nodes.
func newPod(t testing.TB, w *oracle.World, line []string) *corev1.Pod {
	t.Helper()
	pods := edited(t, w, "pod "+strings.Join(line, " ")).Pods
	return pods[len(pods)-1]
}

// newPolicy reads "namespace/name spec".
func newPolicy(t testing.TB, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	return edited(t, &oracle.World{},
		"policy "+strings.Join(strings.Fields(text), " ")).Policies[0]
}

func setAddrs(p *corev1.Pod, addrs ...netip.Addr) {
	p.Status.PodIP, p.Status.PodIPs = addrs[0].String(), nil
	for _, a := range addrs {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a.String()})
	}
}

// hostAddrs are the addresses by which others know a host.
func hostAddrs(name string) []netip.Addr {
	for _, n := range rigNodes() {
		if n.Name == name {
			return n.Addrs
		}
	}
	return nil
}

// play brings the rig to the setting and asks for its flows.
func (r *rig) play(t *testing.T, s setting) {
	t.Helper()
	r.report(t)
	w := s.world(t)
	r.become(w)
	r.check(w, s.flows)
	r.agree(w)
}

// report lets a subtest have what goes wrong until it ends.
func (r *rig) report(t *testing.T) {
	whole := r.t
	r.t = t
	t.Cleanup(func() { r.t = whole })
}

// check asks for flows, first the oracle, then with packets.
func (r *rig) check(w *oracle.World, flows string) {
	r.t.Helper()
	questions := r.read(flows)
	for _, q := range questions {
		if w.Allowed(q.flow) != q.allow {
			r.t.Errorf("%s: the oracle does not think so", q)
		}
	}
	r.expect(w, questions)
}

// read reads flows between those who are in the sandbox, whether anybody was told of them or not.
func (r *rig) read(flows string) []question {
	r.t.Helper()
	present := &oracle.World{Nodes: usualCluster(r.t).Nodes}
	for name, p := range r.pods {
		pod := &corev1.Pod{}
		pod.Namespace, pod.Name, _ = strings.Cut(name, "/")
		setAddrs(pod, p.Addrs...)
		present.Pods = append(present.Pods, pod)
	}
	var lines []string
	for line := range words(flows) {
		lines = append(lines, strings.Join(line, " "))
	}
	read, err := scene.Flows(present, strings.Join(lines, "\n"))
	r.must(err)
	questions := make([]question, len(read))
	for i, f := range read {
		questions[i] = r.question(f)
	}
	return questions
}

// question finds who sends a flow and who must answer.
func (r *rig) question(f scene.Flow) question {
	return question{flow: f.Flow, allow: f.Verdict == scene.Allow, from: r.whoHas(f.From),
		to: r.whoHas(f.To), at: f.At}
}

// whoHas finds the pod of the sandbox, or the host, that has the address; "" is nobody.
func (r *rig) whoHas(a netip.Addr) string {
	for name, p := range r.pods {
		if slices.Contains(p.Addrs, a) {
			return name
		}
	}
	for _, n := range rigNodes() {
		if slices.Contains(n.Addrs, a) {
			return hostOf(n.Name)
		}
	}
	return r.strangers[a]
}

// stranger lets somebody outside answer at an address, whom nobody tells the agents of.
func (r *rig) stranger(a netip.Addr) {
	r.t.Helper()
	name := fmt.Sprintf("outside/%d", len(r.strangers))
	r.must(r.AddPod(sandbox.Pod{Name: name, Node: "n3", Addrs: []netip.Addr{a}}))
	r.strangers[a] = name
}
