package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Size bounds what Random and Edit draw. The zero value means at most 4
// namespaces, 9 pods, 3 nodes and 5 policies, with bad input now and then.
type Size struct {
	Namespaces, Pods, Nodes, Policies int // at most, 200 each; 0 = as above

	Valid  bool // nothing that API validation refuses, and every namespace is an object
	Dual   bool // a pod that has an address has one of each family
	NoSCTP bool // only TCP and UDP
	Ranges bool // every node has pod ranges of both families
}

// withDefaults fills in the bounds that are not given.
func (s Size) withDefaults() Size {
	for _, b := range []struct {
		bound    *int
		fallback int
	}{{&s.Namespaces, 4}, {&s.Pods, 9}, {&s.Nodes, 3}, {&s.Policies, 5}} {
		if *b.bound == 0 {
			*b.bound = b.fallback
		}
	}
	return s
}

// Random draws a small world that is likely to show mistakes. The same source
// gives the same world.
func Random(r *rand.Rand, size Size) *World {
	d := &draw{r: r, size: size.withDefaults(), w: &World{}}
	d.names = d.namespaceNames()
	for n := range between(r, 1, d.size.Nodes) {
		d.w.Nodes = append(d.w.Nodes, d.node(n+1))
	}
	for _, name := range d.names {
		if d.size.Valid || d.often() {
			d.w.Namespaces = append(d.w.Namespaces, d.namespace(name))
		}
	}
	for range between(r, min(2, d.size.Pods), d.size.Pods) {
		d.w.Pods = append(d.w.Pods, d.pod())
	}
	for range max(r.IntN(d.size.Policies+1), r.IntN(d.size.Policies+1)) {
		d.w.Policies = append(d.w.Policies, d.policy())
	}
	return d.w
}

// draw is one drawing of random objects into w, which it reads to place them
// near each other.
type draw struct {
	r     *rand.Rand
	size  Size
	w     *World
	names []string // namespaces to use
}

// half is true one time in two.
func (d *draw) half() bool { return d.r.IntN(2) == 0 }

// often is true three times in four.
func (d *draw) often() bool { return d.r.IntN(4) != 0 }

// seldom is true one time in eight.
func (d *draw) seldom() bool { return d.r.IntN(8) == 0 }

// bad tells if the next part should be a wrong one.
func (d *draw) bad() bool { return !d.size.Valid && d.r.IntN(16) == 0 }

// between draws a number from low to high, both included.
func between(r *rand.Rand, low, high int) int {
	return low + r.IntN(high-low+1)
}

// pick draws one of the values.
func pick[T any](r *rand.Rand, values ...T) T {
	return values[r.IntN(len(values))]
}

// some draws that many of the values, each at most once.
func some[T any](r *rand.Rand, count int, values ...T) []T {
	var drawn []T
	for _, i := range r.Perm(len(values))[:count] {
		drawn = append(drawn, values[i])
	}
	return drawn
}

// namespaceNames draws names of which some are the start of others, so that
// "a" with policy "bc" meets "ab" with policy "c".
func (d *draw) namespaceNames() []string {
	names := []string{"a", "ab", "a-b", "b"}
	for len(names) < d.size.Namespaces {
		names = append(names, fmt.Sprintf("a%d", len(names)))
	}
	return some(d.r, between(d.r, 1, d.size.Namespaces), names...)
}

// policyNames are tried in random order. The long ones differ only where a
// kernel would have cut them.
func policyNames() []string {
	long := strings.Repeat("long.", 48)
	return []string{"c", "c", "bc", "b-c", "b.c", long + "one", long + "two"}
}

// unused draws a name that is not taken, and makes one up where all are.
func unused(r *rand.Rand, names []string, taken func(string) bool) string {
	for _, name := range some(r, len(names), names...) {
		if !taken(name) {
			return name
		}
	}
	name := "extra"
	for taken(name) {
		name += "-x"
	}
	return name
}

// node makes node number n with its addresses and pod CIDRs.
func (d *draw) node(n int) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(n)}}
	d.setRanges(node, n)
	add := func(kind corev1.NodeAddressType, address string) {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: kind,
			Address: address})
	}
	for _, ip := range nodeIPs(n) {
		add(corev1.NodeInternalIP, ip.IP)
	}
	add(corev1.NodeHostName, node.Name)
	if d.half() {
		add(corev1.NodeExternalIP, fmt.Sprintf("192.0.2.%d", 10+n))
	}
	if d.bad() {
		add(corev1.NodeInternalIP, pick(d.r, badAddresses()...))
	}
	if !d.size.Valid && d.seldom() { // as a lost node and a virtual one do
		add(corev1.NodeInternalIP, pick(d.r, d.foreignIPs()...)[d.r.IntN(2)].IP)
	}
	return node
}

// setRanges gives node number n its pod ranges: one of each family, or where
// not all nodes must have them one, or none.
func (d *draw) setRanges(node *corev1.Node, n int) {
	ranges := []string{fmt.Sprintf("10.244.%d.0/24", n), fmt.Sprintf("fd00:10:244:%d::/64", n)}
	if !d.size.Valid && !d.size.Ranges && d.seldom() {
		ranges = pick(d.r, ranges[:1], ranges[1:], nil)
	}
	if node.Spec.PodCIDRs = ranges; len(ranges) > 0 {
		node.Spec.PodCIDR = ranges[0]
	}
}

// nodeName is the name of node number n; the first has the number 1.
func nodeName(n int) string { return fmt.Sprintf("n%d", n) }

// nodeIPs are the internal addresses of node number n, one of each family.
func nodeIPs(n int) []corev1.PodIP {
	return []corev1.PodIP{{IP: fmt.Sprintf("10.77.0.%d", 10+n)},
		{IP: fmt.Sprintf("fd77::%d", 10+n)}}
}

// namespace makes a namespace object, now and then a terminating one.
func (d *draw) namespace(name string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name,
		Labels: d.namespaceLabels(name)}}
	ns.Annotations = d.namespaceAudit()
	ns.Status.Phase = corev1.NamespaceActive
	if d.seldom() {
		ns.DeletionTimestamp = d.moment()
		ns.Status.Phase = corev1.NamespaceTerminating
	}
	return ns
}

// namespaceAudit draws the annotations of a namespace: mostly none. That of
// kube-router says nothing there.
func (d *draw) namespaceAudit() map[string]string {
	if d.often() {
		return nil
	}
	key := pick(d.r, "picket.dev/audit", "picket.dev/audit", "kube-router.io/network-policy.monitor")
	return map[string]string{key: d.auditValue()}
}

// namespaceLabels draws from the alphabet of the pods' labels: a selector that
// is held against the wrong object then matches too.
func (d *draw) namespaceLabels(name string) map[string]string {
	labels := d.labels()
	switch {
	case d.size.Valid || d.half():
		labels[corev1.LabelMetadataName] = name
	case d.seldom(): // another's name, which counts for nothing
		labels[corev1.LabelMetadataName] = pick(d.r, d.names...)
	}
	return labels
}

// labels draws from an alphabet so small that selectors often match.
func (d *draw) labels() map[string]string {
	labels := map[string]string{}
	for _, key := range labelKeys() {
		if d.often() {
			labels[key] = pick(d.r, labelValues()...)
		}
	}
	return labels
}

// labelKeys are the keys that labels and selectors are drawn from.
func labelKeys() []string { return []string{"app", "tier"} }

// labelValues are their values, one of them twice as likely as the others, and
// one empty.
func labelValues() []string { return []string{"a", "a", "b", ""} }

// moment draws one of three, so that starts are often equal.
func (d *draw) moment() *metav1.Time {
	t := metav1.NewTime(time.Date(2025, 1, 2, 3, d.r.IntN(3), 0, 0, time.UTC))
	return &t
}

// hasPolicy tells if the namespace has a policy of that name.
func (w *World) hasPolicy(namespace, name string) bool {
	return slices.ContainsFunc(w.Policies, func(p *networkingv1.NetworkPolicy) bool {
		return p.Namespace == namespace && p.Name == name
	})
}

// hasPod tells if the namespace has a pod of that name.
func (w *World) hasPod(namespace, name string) bool {
	return slices.ContainsFunc(w.Pods, func(p *corev1.Pod) bool {
		return p.Namespace == namespace && p.Name == name
	})
}
