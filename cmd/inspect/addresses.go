package cli

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// Where addresses come from that the manifests leave open: a node gets the first one that is free in each of
// nodePools, and for its pods the first free ranges, of the same number in each of podPools.
var (
	nodePools = []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd77::/112")}
	podPools  = []string{"10.244.%d.0/24", "fd00:10:244:%d::/64"}
)

const lastPool = 255 // the highest number in podPools

func (d *draft) completeNodes() error {
	for _, complete := range []func(*corev1.Node) error{d.giveAddrs, d.giveRanges} {
		for _, n := range d.nodes {
			if err := complete(n); err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
		}
	}
	return nil
}

// giveAddrs gives a node without addresses those that its pods state as their host's, or else free ones.
func (d *draft) giveAddrs(n *corev1.Node) error {
	if len(nodeAddrs(n)) > 0 {
		return nil
	}
	addrs := d.hostAddrs(n.Name)
	if len(addrs) == 0 {
		addrs = d.freeNodeAddrs()
	}
	if len(addrs) == 0 {
		return fmt.Errorf("the manifests leave no address free in %s; state status.addresses", nodePools)
	}
	for _, a := range addrs {
		d.homes[a] = ""
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	d.madeUp = true
	return nil
}

// hostAddrs are the addresses that the pods of a node state as its own, one a family.
func (d *draft) hostAddrs(node string) []netip.Addr {
	var addrs []netip.Addr
	for _, p := range d.pods {
		if p.Spec.NodeName != node {
			continue
		}
		for _, text := range hostIPs(p) {
			if a, ok := policy.ParseAddr(text); ok && !like(addrs, a).IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// hostIPs is what a pod says of its node's addresses.
func hostIPs(p *corev1.Pod) []string {
	texts := []string{p.Status.HostIP}
	for _, ip := range p.Status.HostIPs {
		texts = append(texts, ip.IP)
	}
	if p.Spec.HostNetwork {
		for _, a := range policy.PodAddrs(p) {
			texts = append(texts, a.String())
		}
	}
	return texts
}

func (d *draft) freeNodeAddrs() []netip.Addr {
	var addrs []netip.Addr
	for _, pool := range nodePools {
		a := firstFree(pool, pool.Addr().Next(), func(a netip.Addr) bool { return d.taken(a) || inAny(d.ranges, a) })
		if a.IsValid() && has(d.families, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// firstFree returns the first address of a range from a given one on; the zero Addr if all are taken.
func firstFree(in netip.Prefix, from netip.Addr, taken func(netip.Addr) bool) netip.Addr {
	for a := from; in.Contains(a.Next()); a = a.Next() { // the last of all is IPv4's broadcast address
		if !taken(a) {
			return a
		}
	}
	return netip.Addr{}
}

// giveRanges gives a node without pod ranges the first free ones, in the families of its addresses.
func (d *draft) giveRanges(n *corev1.Node) error {
	if stated, _ := rangesOf(n); len(stated) > 0 {
		return nil
	}
	for number := 1; number <= lastPool; number++ {
		ranges := rangesNumbered(number, nodeAddrs(n))
		if !slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return !d.fits(r, n.Name) }) {
			for _, r := range ranges {
				n.Spec.PodCIDRs = append(n.Spec.PodCIDRs, r.String())
			}
			n.Spec.PodCIDR = n.Spec.PodCIDRs[0]
			d.ranges = append(d.ranges, ranges...)
			d.madeUp = true
			return nil
		}
	}
	return fmt.Errorf("the manifests leave no range free for its pods; state spec.podCIDRs")
}

func rangesNumbered(number int, families []netip.Addr) []netip.Prefix {
	var ranges []netip.Prefix
	for _, pool := range podPools {
		r := netip.MustParsePrefix(fmt.Sprintf(pool, number))
		if like(families, r.Addr()).IsValid() {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// fits reports whether a node can have a range: nobody but its own pods has an address in it, and nobody the
// first one, which becomes the gateway's.
func (d *draft) fits(r netip.Prefix, node string) bool {
	for a, home := range d.homes {
		if r.Contains(a) && (home != node || a == r.Addr().Next()) {
			return false
		}
	}
	return !slices.ContainsFunc(d.ranges, r.Overlaps)
}

func (d *draft) completePods() error {
	spread := 0
	for _, p := range d.pods {
		if p.Status.Phase == "" {
			p.Status.Phase = corev1.PodRunning
		}
		if p.Spec.NodeName == "" {
			d.place(p, &spread)
		}
		if err := d.addressPod(p, d.node(p.Spec.NodeName)); err != nil {
			return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	return nil
}

// place gives a pod the node that its addresses belong to, or else the next one in turn.
func (d *draft) place(p *corev1.Pod, next *int) {
	d.madeUp = true
	if p.Spec.NodeName = d.nodeAround(policy.PodAddrs(p)); p.Spec.NodeName == "" {
		p.Spec.NodeName = d.nodes[*next%len(d.nodes)].Name
		*next++
	}
}

// nodeAround returns the name of the node whose ranges one of the addresses is in; empty if there is none.
func (d *draft) nodeAround(addrs []netip.Addr) string {
	for _, n := range d.nodes {
		ranges, _ := rangesOf(n)
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return inAny(ranges, a) }) {
			return n.Name
		}
	}
	return ""
}

func inAny(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}

func (d *draft) taken(a netip.Addr) bool {
	_, taken := d.homes[a]
	return taken
}

// addressPod gives a pod without addresses its node's, where it shares them, or else free ones.
func (d *draft) addressPod(p *corev1.Pod, n *corev1.Node) error {
	if stated := policy.PodAddrs(p); len(stated) > 0 {
		return checkHost(p, n, stated)
	}
	addrs, err := nodeAddrs(n), error(nil)
	if !p.Spec.HostNetwork {
		addrs, err = d.freePodAddrs(n)
	}
	for _, a := range addrs {
		d.homes[a] = n.Name
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a.String()})
		p.Status.PodIP = p.Status.PodIPs[0].IP
	}
	d.madeUp = true
	return err
}

// checkHost demands that a pod on its node's network has its node's addresses.
func checkHost(p *corev1.Pod, n *corev1.Node, addrs []netip.Addr) error {
	for _, a := range addrs {
		if p.Spec.HostNetwork && !slices.Contains(nodeAddrs(n), a) {
			return fmt.Errorf("%s: expected an address of node %s, whose network it uses", a, n.Name)
		}
	}
	return nil
}

func (d *draft) freePodAddrs(n *corev1.Node) ([]netip.Addr, error) {
	var addrs []netip.Addr
	ranges, _ := rangesOf(n)
	for _, r := range ranges {
		if !has(d.families, r.Addr()) {
			continue
		}
		gateway := r.Addr().Next()
		a := firstFree(r, gateway.Next(), d.taken)
		if !a.IsValid() {
			return nil, fmt.Errorf("no address is left in %s, the range of node %s", r, n.Name)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}
