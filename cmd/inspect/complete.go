package inspect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Complete returns the objects with everything that a cluster needs to exist: every node has
// addresses and pod ranges, every pod a node and addresses. What the objects do not state is made
// up, with addresses of the given families; madeUp says that something was. Pods that have
// finished are left out.
func Complete(
	o policy.Objects, families []ruleset.Family,
) (complete policy.Objects, madeUp bool, err error) {
	c, err := completed(o, families)
	if err != nil {
		return policy.Objects{}, false, err
	}
	o.Nodes, o.Pods = c.nodes, c.pods
	return o, c.madeUp, nil
}

// completed is Complete before its result is read out.
func completed(o policy.Objects, families []ruleset.Family) (*completion, error) {
	c := newCompletion(o, families)
	// What is made up depends on what is stated, and the addresses of pods on the ranges of nodes.
	for _, step := range []func() error{c.readStated, c.completeNodes, c.completePods} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// completion is the work of Complete: copies of the nodes and pods, which it fills in.
type completion struct {
	families []ruleset.Family // those to make up addresses of
	nodes    []*corev1.Node
	pods     []*corev1.Pod         // those that have not finished, sorted by name
	owners   map[netip.Addr]string // the addresses in use: of which node's pod; "" for a node's own
	ranges   []netip.Prefix        // the pod ranges of all nodes
	madeUp   bool
	hosts    map[netip.Addr]string // the made-up addresses of nodes, with the node of each
}

// podsPerNode is how many pods a made-up node is for; its range has 253 addresses.
const podsPerNode = 200

// newCompletion copies the objects. It adds a node for every name that a pod mentions, and two
// nodes or more if there is none then. The caller's objects are not changed.
func newCompletion(o policy.Objects, families []ruleset.Family) *completion {
	c := &completion{families: families, owners: map[netip.Addr]string{},
		hosts: map[netip.Addr]string{}}
	for _, p := range o.Pods {
		if running(p) {
			c.pods = append(c.pods, p.DeepCopy())
		}
	}
	slices.SortFunc(c.pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range o.Nodes {
		c.nodes = append(c.nodes, n.DeepCopy())
	}
	for _, name := range NodeNames(policy.Objects{Pods: c.pods}) {
		if name != "" && c.node(name) == nil {
			c.addNode(name)
		}
	}
	if len(c.nodes) == 0 {
		for n := range max(2, 1+len(c.pods)/podsPerNode) {
			c.addNode(fmt.Sprintf("node-%d", n+1))
		}
	}
	return c
}

// node returns the node of this name; nil if there is none.
func (c *completion) node(name string) *corev1.Node {
	i := slices.IndexFunc(c.nodes, func(n *corev1.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return c.nodes[i]
}

// addNode makes up a node that has a name only.
func (c *completion) addNode(name string) {
	c.madeUp = true
	c.nodes = append(c.nodes, &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	})
}

// readStated records the addresses and ranges that the objects state, so that none of them is
// given to somebody else.
func (c *completion) readStated() error {
	for _, p := range c.pods {
		if err := c.readPod(p); err != nil {
			return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	for _, n := range c.nodes {
		for _, a := range NodeAddrs(n) {
			c.owners[a] = ""
		}
		ranges, err := PodRanges(n)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		c.ranges = append(c.ranges, ranges...)
	}
	return nil
}

// readPod records the addresses of a pod; one that cannot be read is an error.
func (c *completion) readPod(p *corev1.Pod) error {
	for _, ip := range append(slices.Clone(p.Status.PodIPs), corev1.PodIP{IP: p.Status.PodIP}) {
		if _, ok := policy.ParseAddr(ip.IP); ip.IP != "" && !ok {
			return fmt.Errorf("status.podIPs %q: expected an IP address that can be a pod's", ip.IP)
		}
	}
	for _, a := range policy.PodAddrs(p) {
		c.owners[a] = p.Spec.NodeName
		// The address is the node's own, so no pod may be given it.
		if p.Spec.HostNetwork {
			c.owners[a] = ""
		}
	}
	return nil
}

// NodeAddrs returns the addresses that a node is reached at: one of each family, an internal one
// if it has one.
func NodeAddrs(n *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	// An external address counts only if there is no internal one of its family.
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP} {
		for _, stated := range n.Status.Addresses {
			a, ok := policy.ParseAddr(stated.Address)
			if ok && stated.Type == kind && !SameFamily(addrs, a).IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// PodRanges returns the ranges that the addresses of a node's pods come from (spec.podCIDRs). The
// older field spec.podCIDR holds the first of them, and counts where it stands alone.
func PodRanges(n *corev1.Node) ([]netip.Prefix, error) {
	texts := n.Spec.PodCIDRs
	if len(texts) == 0 && n.Spec.PodCIDR != "" {
		texts = []string{n.Spec.PodCIDR}
	}
	var ranges []netip.Prefix
	for _, text := range texts {
		r, ok := policy.ParseCIDR(text)
		if !ok {
			return nil, fmt.Errorf(
				"spec.podCIDRs %q: expected a CIDR, such as 10.244.1.0/24", text)
		}
		ranges = append(ranges, r.Masked())
	}
	return ranges, nil
}
