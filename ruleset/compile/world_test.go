package compile_test

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// cluster is where the tables play. Namespace a is team=blue, ab is team=green.
func cluster(t testing.TB) *oracle.World {
	w := &oracle.World{Nodes: []*corev1.Node{node("n1", "10.77.0.11", "fd77::11"),
		node("n2", "10.77.0.12", "fd77::12")}}
	for name, team := range map[string]string{"a": "blue", "ab": "green"} {
		w.Namespaces = append(w.Namespaces,
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name,
				Labels: map[string]string{"team": team}}})
	}
	for _, line := range []string{
		"a/web n1 10.244.1.2 fd00:10:244:1::2 app=web web:80/TCP dns:53/UDP",
		"a/api n1 10.244.1.3 fd00:10:244:1::3 app=api tier=front web:8080/TCP",
		"a/db n2 10.244.2.2 fd00:10:244:2::2 app=db tier=back",
		"ab/cli n2 10.244.2.3 fd00:10:244:2::3 app=cli",
	} {
		w.Pods = append(w.Pods, pod(t, line))
	}
	return w
}

func node(name string, addrs ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, a := range addrs {
		n.Status.Addresses = append(n.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	return n
}

// pod reads "namespace/name node" and then addresses, labels key=value and ports
// name:number/PROTOCOL.
func pod(t testing.TB, line string) *corev1.Pod {
	t.Helper()
	fields := strings.Fields(line)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}}}
	p.Namespace, p.Name, _ = strings.Cut(fields[0], "/")
	p.Spec.NodeName, p.Spec.Containers = fields[1], make([]corev1.Container, 1)
	for _, field := range fields[2:] {
		key, value, isLabel := strings.Cut(field, "=")
		number, proto, isPort := strings.Cut(field, "/")
		switch {
		case isLabel:
			p.Labels[key] = value
		case isPort:
			name, number, _ := strings.Cut(number, ":")
			port := corev1.ContainerPort{Name: name, ContainerPort: int32(numeral(t, number)),
				Protocol: corev1.Protocol(proto)}
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, port)
		default:
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: field})
		}
	}
	return p
}

func numeral(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// netpol reads "namespace/name spec", the spec as YAML.
func netpol(t testing.TB, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	p, err := oracle.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check holds the compiled programs against a table, one flow a line:
//
//	allow a/db > a/web TCP 80
//	deny  a/web > 8.8.8.8
//
// An end is a pod or node (its IPv4 address, with @6 its IPv6 address) or an address. No
// protocol means ICMP and the like.
func check(t *testing.T, w *oracle.World, flows string) {
	t.Helper()
	programs := programsOf(w)
	for line := range strings.Lines(strings.TrimSpace(flows)) {
		words := strings.Fields(line)
		f := flow(t, w, words[1:])
		if got, traces := decide(programs, f); got != (words[0] == "allow") {
			t.Errorf("%s: allowed is %t: %v", strings.TrimSpace(line), got, traces)
		}
	}
}

// agree holds many flows of the world against the oracle.
func agree(t *testing.T, w *oracle.World) {
	t.Helper()
	flows := sample(rand.New(rand.NewPCG(1, 0)), w, w.Flows(), 500)
	if wrong := compare(w, flows, &tally{}); wrong != nil {
		t.Errorf("%v\n%v", wrong, w)
	}
}

// flow reads "from > to" or "from > to protocol port".
func flow(t *testing.T, w *oracle.World, words []string) oracle.Flow {
	t.Helper()
	f := oracle.Flow{From: address(t, w, words[0]), To: address(t, w, words[2])}
	if len(words) == 5 {
		f.Protocol, f.Port = corev1.Protocol(words[3]), int32(numeral(t, words[4]))
	}
	return f
}

func address(t *testing.T, w *oracle.World, end string) netip.Addr {
	t.Helper()
	if a, err := netip.ParseAddr(end); err == nil {
		return a
	}
	id, is6 := strings.CutSuffix(end, "@6")
	for _, text := range stated(w, id) {
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() == is6 {
			return a
		}
	}
	t.Fatalf("no address of %q", end)
	return netip.Addr{}
}

// stated returns the addresses of a pod or node.
func stated(w *oracle.World, id string) []string {
	var texts []string
	for _, p := range w.Pods {
		for _, ip := range p.Status.PodIPs {
			if p.Namespace+"/"+p.Name == id {
				texts = append(texts, ip.IP)
			}
		}
	}
	for _, n := range w.Nodes {
		for _, a := range n.Status.Addresses {
			if n.Name == id {
				texts = append(texts, a.Address)
			}
		}
	}
	return texts
}
