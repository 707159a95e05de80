package sandbox_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// scene is a small world and what must be true of it, both in few words:
//
//	namespaces  a team=blue                             only where it needs labels
//	pods        a/web n1 app=web http:80/TCP host       name, node, labels, named ports, hostNetwork
//	policies    a/p {podSelector: {}, ingress: []}      name, spec
//	flows       deny  a/cli > a/web TCP 80              over every family that both ends have
//	            allow a/cli > a/web@6 PING              over IPv6 only
//
// The end of a flow is a pod, a host (n1, n2, n3, out) or, as the last one, an address that anybody
// answers at.
type scene struct {
	name       string
	namespaces string
	pods       string
	policies   []string
	change     func(*oracle.World) // what the words above can't say
	flows      string
}

// world is the scene as objects. Pods get addresses in the order of their lines.
func (s scene) world(t testing.TB) *oracle.World {
	t.Helper()
	w := &oracle.World{Nodes: apiNodes()}
	for line := range words(s.pods) {
		w.Pods = append(w.Pods, newPod(t, w, line))
	}
	for _, text := range s.policies {
		w.Policies = append(w.Policies, newPolicy(t, text))
	}
	for line := range words(s.namespaces) {
		w.Namespaces = append(w.Namespaces, newNamespace(line[0], line[1:]))
	}
	for _, p := range w.Pods {
		if !slices.ContainsFunc(w.Namespaces, func(ns *corev1.Namespace) bool {
			return ns.Name == p.Namespace
		}) {
			w.Namespaces = append(w.Namespaces, newNamespace(p.Namespace, nil))
		}
	}
	if s.change != nil {
		s.change(w)
	}
	return w
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

func apiNodes() []*corev1.Node {
	var nodes []*corev1.Node
	for _, n := range rigNodes()[1:] {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
		for _, cidr := range n.PodCIDRs {
			node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, cidr.String())
		}
		for _, a := range n.Addrs {
			node.Status.Addresses = append(node.Status.Addresses,
				corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func newNamespace(name string, labels []string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name,
		Labels: map[string]string{corev1.LabelMetadataName: name}}}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		ns.Labels[key] = value
	}
	return ns
}

func newPod(t testing.TB, w *oracle.World, line []string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}}}
	p.Namespace, p.Name, _ = strings.Cut(line[0], "/")
	p.Spec.NodeName = line[1]
	p.Spec.Containers = make([]corev1.Container, 1)
	p.Status.Phase = corev1.PodRunning
	place(p, 2+len(w.Pods))
	for _, word := range line[2:] {
		key, value, isLabel := strings.Cut(word, "=")
		switch {
		case word == "host":
			p.Spec.HostNetwork = true
			setAddrs(p, hostAddrs(p.Spec.NodeName)...)
		case isLabel:
			p.Labels[key] = value
		default:
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, newPort(t, word))
		}
	}
	return p
}

// newPort reads name:number/protocol.
func newPort(t testing.TB, text string) corev1.ContainerPort {
	t.Helper()
	name, rest, _ := strings.Cut(text, ":")
	number, proto, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("port %q: %v", text, err)
	}
	return corev1.ContainerPort{Name: name, ContainerPort: int32(n),
		Protocol: corev1.Protocol(proto)}
}

// place gives the pod the addresses number x of its node.
func place(p *corev1.Pod, x int) {
	n := strings.TrimPrefix(p.Spec.NodeName, "n")
	setAddrs(p, netip.MustParseAddr(fmt.Sprintf("10.244.%s.%d", n, x)),
		netip.MustParseAddr(fmt.Sprintf("fd00:10:244:%s::%x", n, x)))
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

// newPolicy reads "namespace/name spec".
func newPolicy(t testing.TB, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	p, err := oracle.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// play brings the rig to the scene and asks for its flows.
func (r *rig) play(t *testing.T, s scene) {
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
	var questions []question
	for line := range words(flows) {
		questions = append(questions, r.read(line)...)
	}
	for _, q := range questions {
		if w.Allowed(q.flow) != q.allow {
			r.t.Errorf("%s: the oracle does not think so", q)
		}
	}
	r.expect(w, questions)
}

// read turns a line into questions: verdict from > to protocol port.
func (r *rig) read(line []string) []question {
	r.t.Helper()
	if len(line) < 5 || line[2] != ">" || line[0] != "allow" && line[0] != "deny" {
		r.t.Fatalf("flow %q: want allow or deny, from > to, protocol and port", line)
	}
	q := question{allow: line[0] == "allow"}
	if line[4] != "PING" {
		port, err := strconv.Atoi(line[5])
		r.must(err)
		q.flow.Protocol, q.flow.Port = corev1.Protocol(line[4]), int32(port)
	}
	target, family, _ := strings.Cut(line[3], "@")
	var sources, targets []netip.Addr
	q.from, sources = r.end(line[1])
	q.to, targets = r.end(target)
	var questions []question
	for _, to := range targets {
		if from := alike(sources, to); from.IsValid() &&
			(family == "" || (family == "4") == to.Is4()) {
			q.flow.From, q.flow.To = from, to
			questions = append(questions, q)
		}
	}
	if len(questions) == 0 {
		r.t.Fatalf("flow %q: nothing to ask", line)
	}
	return questions
}

// end finds who is meant: as a pod of the sandbox, with addresses.
func (r *rig) end(name string) (string, []netip.Addr) {
	r.t.Helper()
	if p, exists := r.pods[name]; exists {
		return name, p.Addrs
	}
	if addrs := hostAddrs(name); addrs != nil {
		return hostOf(name), addrs
	}
	a, err := netip.ParseAddr(name)
	r.must(err)
	return "", []netip.Addr{a}
}
