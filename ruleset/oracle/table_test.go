package oracle

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A table states truths about the policies of a cluster, one flow a line:
//
//	allow        a/db > a/web TCP 80
//	deny-egress  a/web > 8.8.8.8
//
// Verdicts are allow, deny-egress, deny-ingress and deny-both, which name the
// halves that deny. An end is a pod or node of cluster (its IPv4 address, with
// @6 its IPv6 address) or an address. No protocol means ICMP and the like.
type table []struct {
	name     string
	change   func(*World) // of cluster, before the policies; nil = none
	policies []string     // "namespace/name spec", the spec as YAML
	flows    string
}

func (rows table) run(t *testing.T) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := cluster()
			if row.change != nil {
				row.change(w)
			}
			for _, text := range row.policies {
				w.Policies = append(w.Policies, policy(t, text))
			}
			check(t, w, row.flows)
		})
	}
}

// cluster is where the tables play:
//
//	n1 10.77.0.11  a/web    app=web             web=80/TCP dns=53/UDP
//	               a/api    app=api tier=front  web=8080/TCP; sidecar metrics=9090/TCP; init setup=7000/TCP
//	               ab/cli   app=cli
//	               a/host   app=web             hostNetwork
//	n2 10.77.0.12  a/db     app=db tier=back
//	               ab/web   app=web             web=80/TCP
//	               b/lone
//
// Namespace a is team=blue, ab is team=green, and b is no object.
func cluster() *World {
	w := &World{
		Nodes: []*corev1.Node{node("n1", "10.77.0.11", "fd77::11"), node("n2", "10.77.0.12",
			"fd77::12")},
		Namespaces: []*corev1.Namespace{namespace("a", "team=blue"), namespace("ab", "team=green")},
		Pods: []*corev1.Pod{
			pod("a/web", "n1", 2, "app=web"), pod("a/api", "n1", 3, "app=api tier=front"),
			pod("ab/cli", "n1", 4, "app=cli"),
			pod("a/db", "n2", 2, "app=db tier=back"), pod("ab/web", "n2", 3, "app=web"),
			pod("b/lone", "n2", 4, ""),
			pod("a/host", "n1", 0, "app=web"),
		},
	}
	always := corev1.ContainerRestartPolicyAlways
	w.pod("a/web").Spec.Containers = []corev1.Container{container("web 80 TCP", "dns 53 UDP")}
	w.pod("ab/web").Spec.Containers = []corev1.Container{container("web 80 ")}
	w.pod("a/api").Spec.Containers = []corev1.Container{container(), container("web 8080 TCP")}
	w.pod("a/api").Spec.InitContainers = []corev1.Container{container("setup 7000 TCP"),
		container("metrics 9090 TCP")}
	w.pod("a/api").Spec.InitContainers[1].RestartPolicy = &always
	setIPs(w.pod("a/host"), "10.77.0.11", "fd77::11")
	w.pod("a/host").Spec.HostNetwork = true
	return w
}

func node(name string, ips ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, ip := range ips {
		n.Status.Addresses = append(n.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	return n
}

func namespace(name, labels string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labelSet(labels)}}
}

// pod makes a running pod "namespace/name" that is number x of its node.
func pod(id, node string, x int, labels string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Namespace, p.Name, _ = strings.Cut(id, "/")
	p.Labels = labelSet(labels)
	p.Spec.NodeName = node
	p.Status.Phase = corev1.PodRunning
	n := strings.TrimPrefix(node, "n")
	setIPs(p, "10.244."+n+"."+strconv.Itoa(x), "fd00:10:244:"+n+"::"+strconv.Itoa(x))
	return p
}

func setIPs(p *corev1.Pod, ips ...string) {
	p.Status.PodIP, p.Status.PodIPs = ips[0], nil
	for _, ip := range ips {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
	}
}

// labelSet reads "key=value key=value".
func labelSet(text string) map[string]string {
	labels := map[string]string{}
	for _, field := range strings.Fields(text) {
		key, value, _ := strings.Cut(field, "=")
		labels[key] = value
	}
	return labels
}

// container makes one of ports "name number protocol".
func container(ports ...string) corev1.Container {
	var c corev1.Container
	for _, text := range ports {
		f := strings.Split(text, " ")
		number, _ := strconv.Atoi(f[1])
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: f[0], ContainerPort: int32(number),
			Protocol: corev1.Protocol(f[2])})
	}
	return c
}

// policy reads "namespace/name spec".
func policy(t *testing.T, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	p, err := ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pod returns the pod "namespace/name" to be changed before the first verdict.
func (w *World) pod(id string) *corev1.Pod {
	for _, p := range w.Pods {
		if p.Namespace+"/"+p.Name == id {
			return p
		}
	}
	return nil
}

// check holds the world against a table's flows.
func check(t *testing.T, w *World, flows string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(flows)) {
		fields := strings.Fields(line)
		f := flow(t, w, fields[1:])
		if got := verdict(w, f); got != fields[0] || w.Allowed(f) != (got == "allow") {
			t.Errorf("%s: got %s, Allowed %v (%v)", strings.TrimSpace(line), got, w.Allowed(f), f)
		}
	}
}

func verdict(w *World, f Flow) string {
	halves := map[[2]bool]string{
		{true, true}:   "allow",
		{false, true}:  "deny-egress",
		{true, false}:  "deny-ingress",
		{false, false}: "deny-both",
	}
	return halves[[2]bool{w.EgressAllowed(f), w.IngressAllowed(f)}]
}

// flow reads "from > to" or "from > to protocol port".
func flow(t *testing.T, w *World, fields []string) Flow {
	t.Helper()
	if len(fields) != 3 && len(fields) != 5 {
		t.Fatalf("flow %q: want from > to [protocol port]", fields)
	}
	f := Flow{From: address(t, w, fields[0]), To: address(t, w, fields[2])}
	if len(fields) == 5 {
		port, err := strconv.Atoi(fields[4])
		if err != nil {
			t.Fatalf("flow %q: %v", fields, err)
		}
		f.Protocol, f.Port = corev1.Protocol(fields[3]), int32(port)
	}
	return f
}

// address resolves one end of a flow.
func address(t *testing.T, w *World, end string) netip.Addr {
	t.Helper()
	if a, err := netip.ParseAddr(end); err == nil {
		return a
	}
	id, is6 := strings.CutSuffix(end, "@6")
	for _, a := range addressesOf(w, id) {
		if a.Is6() == is6 {
			return a
		}
	}
	t.Fatalf("no address of %q", end)
	return netip.Addr{}
}

func addressesOf(w *World, id string) []netip.Addr {
	if p := w.pod(id); p != nil {
		return podAddresses(p)
	}
	for _, n := range w.Nodes {
		if n.Name == id {
			return nodeAddresses(n)
		}
	}
	return nil
}

// second is a moment that a pod started at.
func second(s int) *metav1.Time {
	return &metav1.Time{Time: time.Date(2025, 1, 1, 0, 0, s, 0, time.UTC)}
}
