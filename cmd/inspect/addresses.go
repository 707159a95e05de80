package inspect

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Where made-up addresses come from: a node gets the first free one of each of nodePools, and for
// its pods the first free ranges, of the same number in each of podPools.
var (
	nodePools = []netip.Prefix{
		netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd77::/112")}
	podPools = []string{"10.244.%d.0/24", "fd00:10:244:%d::/64"}
)

const lastPool = 255 // the highest number in podPools

// completeNodes gives all nodes addresses first, and then ranges, which depend on them.
func (c *completion) completeNodes() error {
	for _, complete := range []func(*corev1.Node) error{c.addressNode, c.rangeNode} {
		for _, n := range c.nodes {
			if err := complete(n); err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
		}
	}
	return nil
}

// addressNode gives a node without addresses those that its pods state as their host's, or else
// free ones.
func (c *completion) addressNode(n *corev1.Node) error {
	if len(NodeAddrs(n)) > 0 {
		return nil
	}
	addrs := c.hostAddrs(n.Name)
	if len(addrs) == 0 {
		addrs = c.freeNodeAddrs()
		for _, a := range addrs {
			c.hosts[a] = n.Name
		}
	}
	if len(addrs) == 0 {
		return fmt.Errorf(
			"the manifests leave no address free in %s; state status.addresses", nodePools)
	}
	for _, a := range addrs {
		c.owners[a] = ""
		n.Status.Addresses = append(n.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	c.madeUp = true
	return nil
}

// hostAddrs returns the addresses of a node that its pods state, one of each family.
func (c *completion) hostAddrs(node string) []netip.Addr {
	var addrs []netip.Addr
	for _, p := range c.pods {
		if p.Spec.NodeName != node {
			continue
		}
		for _, text := range hostIPs(p) {
			if a, ok := policy.ParseAddr(text); ok && !SameFamily(addrs, a).IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// hostIPs returns the addresses that a pod states of its node.
func hostIPs(p *corev1.Pod) []string {
	texts := []string{p.Status.HostIP}
	for _, ip := range p.Status.HostIPs {
		texts = append(texts, ip.IP)
	}
	// A pod on its node's network has the addresses of the node.
	if p.Spec.HostNetwork {
		for _, a := range policy.PodAddrs(p) {
			texts = append(texts, a.String())
		}
	}
	return texts
}

// freeNodeAddrs returns an address of each of nodePools that nobody has and no pod range contains.
func (c *completion) freeNodeAddrs() []netip.Addr {
	var addrs []netip.Addr
	for _, pool := range nodePools {
		a := firstFree(pool, pool.Addr().Next(), func(a netip.Addr) bool {
			return c.inUse(a) || inAny(c.ranges, a)
		})
		if a.IsValid() && slices.Contains(c.families, ruleset.FamilyOf(a)) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// firstFree returns the first free address of a range, beginning at one of its addresses; the zero
// Addr if none is free. It leaves out the last address, which for IPv4 is broadcast.
func firstFree(in netip.Prefix, from netip.Addr, inUse func(netip.Addr) bool) netip.Addr {
	for a := from; in.Contains(a.Next()); a = a.Next() {
		if !inUse(a) {
			return a
		}
	}
	return netip.Addr{}
}

// rangeNode gives a node without pod ranges the first free ones, in the families of its addresses.
func (c *completion) rangeNode(n *corev1.Node) error {
	// readStated has read them without an error.
	if stated, _ := PodRanges(n); len(stated) > 0 {
		return nil
	}
	for number := 1; number <= lastPool; number++ {
		ranges := rangesNumbered(number, NodeAddrs(n))
		unfit := func(r netip.Prefix) bool { return !c.fits(r, n.Name) }
		if !slices.ContainsFunc(ranges, unfit) {
			c.setRanges(n, ranges)
			return nil
		}
	}
	return fmt.Errorf("the manifests leave no range free for its pods; state spec.podCIDRs")
}

// setRanges writes ranges into a node as the API has them.
func (c *completion) setRanges(n *corev1.Node, ranges []netip.Prefix) {
	for _, r := range ranges {
		n.Spec.PodCIDRs = append(n.Spec.PodCIDRs, r.String())
	}
	// The API wants both fields to agree.
	n.Spec.PodCIDR = n.Spec.PodCIDRs[0]
	c.ranges = append(c.ranges, ranges...)
	c.madeUp = true
}

// rangesNumbered returns the ranges of a number out of podPools, in the families of the addresses.
func rangesNumbered(number int, addrs []netip.Addr) []netip.Prefix {
	var ranges []netip.Prefix
	for _, pool := range podPools {
		r := netip.MustParsePrefix(fmt.Sprintf(pool, number))
		if SameFamily(addrs, r.Addr()).IsValid() {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// fits reports whether a node can have a range: only its own pods have addresses in it, and nobody
// has the first one, which becomes the gateway's.
func (c *completion) fits(r netip.Prefix, node string) bool {
	for a, owner := range c.owners {
		if r.Contains(a) && (owner != node || a == r.Addr().Next()) {
			return false
		}
	}
	return !slices.ContainsFunc(c.ranges, r.Overlaps)
}

// completePods gives all pods nodes and addresses, in the order of their names.
func (c *completion) completePods() error {
	placed := 0
	for _, p := range c.pods {
		// Manifests that people write have no status; what they describe is to run.
		if p.Status.Phase == "" {
			p.Status.Phase = corev1.PodRunning
		}
		if p.Spec.NodeName == "" {
			c.place(p, &placed)
		}
		if err := c.addressPod(p, c.node(p.Spec.NodeName)); err != nil {
			return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	return nil
}

// place gives a pod the node whose range its addresses are in, or else the next node in turn.
func (c *completion) place(p *corev1.Pod, next *int) {
	c.madeUp = true
	if p.Spec.NodeName = c.nodeOf(policy.PodAddrs(p)); p.Spec.NodeName == "" {
		p.Spec.NodeName = c.nodes[*next%len(c.nodes)].Name
		*next++
	}
}

// nodeOf returns the node in whose ranges one of the addresses is; "" if there is none.
func (c *completion) nodeOf(addrs []netip.Addr) string {
	for _, n := range c.nodes {
		ranges, _ := PodRanges(n)
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return inAny(ranges, a) }) {
			return n.Name
		}
	}
	return ""
}

// inAny reports whether one of the ranges contains an address.
func inAny(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}

// inUse reports whether a node or pod has an address, be it stated or made up.
func (c *completion) inUse(a netip.Addr) bool {
	_, used := c.owners[a]
	return used
}

// addressPod gives a pod without addresses its node's, if it shares its node's network, or else
// free ones.
func (c *completion) addressPod(p *corev1.Pod, n *corev1.Node) error {
	if stated := policy.PodAddrs(p); len(stated) > 0 {
		return checkHostAddrs(p, n, stated)
	}
	addrs, err := NodeAddrs(n), error(nil)
	if !p.Spec.HostNetwork {
		addrs, err = c.freePodAddrs(n)
	}
	for _, a := range addrs {
		c.owners[a] = n.Name
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a.String()})
		// The API wants both fields to agree.
		p.Status.PodIP = p.Status.PodIPs[0].IP
	}
	c.madeUp = true
	return err
}

// checkHostAddrs demands that a pod on its node's network states no addresses but its node's.
func checkHostAddrs(p *corev1.Pod, n *corev1.Node, addrs []netip.Addr) error {
	for _, a := range addrs {
		if p.Spec.HostNetwork && !slices.Contains(NodeAddrs(n), a) {
			return fmt.Errorf(
				"%s: expected an address of node %s, whose network it uses", a, n.Name)
		}
	}
	return nil
}

// freePodAddrs returns an address of each of the node's ranges, the second of the range or later:
// the first one is the gateway's.
func (c *completion) freePodAddrs(n *corev1.Node) ([]netip.Addr, error) {
	var addrs []netip.Addr
	// Those that were stated and those that rangeNode has made up.
	ranges, _ := PodRanges(n)
	for _, r := range ranges {
		if !slices.Contains(c.families, ruleset.FamilyOf(r.Addr())) {
			continue
		}
		gateway := r.Addr().Next()
		a := firstFree(r, gateway.Next(), c.inUse)
		if !a.IsValid() {
			return nil, fmt.Errorf(
				"no address is left in %s, the range of node %s", r, n.Name)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}
