package cli

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

// draft is the nodes and pods of a blueprint in the making.
type draft struct {
	families []ruleset.Family // those to make addresses of
	nodes    []*corev1.Node
	pods     []*corev1.Pod         // those that have not finished, sorted by name
	homes    map[netip.Addr]string // which node an address belongs to that a pod has; "" for a node's own
	ranges   []netip.Prefix        // the pod ranges of all nodes
	madeUp   bool
}

// podsPerNode is how many pods a node that is made up is for; its range has 253 addresses.
const podsPerNode = 200

// newDraft copies the objects, with a node for every name that a pod mentions, and two or more if
// there is none.
func newDraft(o policy.Objects, families []ruleset.Family) *draft {
	d := &draft{families: families, homes: map[netip.Addr]string{}}
	for _, p := range o.Pods {
		if !policy.Finished(p) {
			d.pods = append(d.pods, p.DeepCopy())
		}
	}
	slices.SortFunc(d.pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range o.Nodes {
		d.nodes = append(d.nodes, n.DeepCopy())
	}
	for _, name := range nodeNames(policy.Objects{Pods: d.pods}) {
		if name != "" && d.node(name) == nil {
			d.makeNode(name)
		}
	}
	if len(d.nodes) == 0 {
		for n := range max(2, 1+len(d.pods)/podsPerNode) {
			d.makeNode(fmt.Sprintf("node-%d", n+1))
		}
	}
	return d
}

func (d *draft) node(name string) *corev1.Node {
	i := slices.IndexFunc(d.nodes, func(n *corev1.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return d.nodes[i]
}

func (d *draft) makeNode(name string) {
	d.madeUp = true
	d.nodes = append(d.nodes, &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name},
	})
}

// complete gives nodes and pods all that they need.
func (d *draft) complete() error {
	for _, step := range []func() error{d.read, d.completeNodes, d.completePods} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// read notes the addresses that the manifests state, so that none is given to somebody else.
func (d *draft) read() error {
	for _, p := range d.pods {
		if err := d.readPod(p); err != nil {
			return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	for _, n := range d.nodes {
		for _, a := range nodeAddrs(n) {
			d.homes[a] = ""
		}
		ranges, err := rangesOf(n)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		d.ranges = append(d.ranges, ranges...)
	}
	return nil
}

func (d *draft) readPod(p *corev1.Pod) error {
	stated := policy.PodAddrs(p)
	for _, ip := range append(slices.Clone(p.Status.PodIPs), corev1.PodIP{IP: p.Status.PodIP}) {
		if _, ok := policy.ParseAddr(ip.IP); ip.IP != "" && !ok {
			return fmt.Errorf("status.podIPs %q: expected an IP address that can be a pod's", ip.IP)
		}
	}
	for _, a := range stated {
		d.homes[a] = p.Spec.NodeName
		if p.Spec.HostNetwork {
			d.homes[a] = ""
		}
	}
	return nil
}

// nodeAddrs are the addresses that a node is reached at: one a family, internal ones before others.
func nodeAddrs(n *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP} {
		for _, stated := range n.Status.Addresses {
			a, ok := policy.ParseAddr(stated.Address)
			if ok && stated.Type == kind && !like(addrs, a).IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// like returns the first address of a's family; the zero Addr if there is none.
func like(addrs []netip.Addr, a netip.Addr) netip.Addr {
	if same := only([]ruleset.Family{ruleset.FamilyOf(a)}, addrs); len(same) > 0 {
		return same[0]
	}
	return netip.Addr{}
}

// rangesOf are the ranges that a node's pods have their addresses from.
func rangesOf(n *corev1.Node) ([]netip.Prefix, error) {
	texts := n.Spec.PodCIDRs
	if len(texts) == 0 && n.Spec.PodCIDR != "" {
		texts = []string{n.Spec.PodCIDR}
	}
	var ranges []netip.Prefix
	for _, text := range texts {
		r, ok := policy.ParseCIDR(text)
		if !ok {
			return nil, fmt.Errorf("spec.podCIDRs %q: expected a CIDR, such as 10.244.1.0/24", text)
		}
		ranges = append(ranges, r.Masked())
	}
	return ranges, nil
}
