package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// blueprint is a cluster that can be built: what manifests state, and made up what they leave open.
type blueprint struct {
	objects policy.Objects // every node has addresses and pod ranges, every pod a node and addresses
	madeUp  bool           // some of that is not in the manifests
	nodes   []sandbox.Node
	pods    []resident // sorted by name
	notes   []string   // what is left out
	unclear []string   // parts of policies that cannot be understood
}

// resident is a pod with what it serves.
type resident struct {
	endpoint
	hostNetwork bool
	doors       []door
}

// door is a port that a pod serves, over TCP or UDP.
type door struct {
	proto  ruleset.Protocol
	number uint16
}

func (d door) String() string { return fmt.Sprintf("%s/%d", d.proto, d.number) }

func (d door) compare(o door) int {
	return cmp.Or(cmp.Compare(d.number, o.number), cmp.Compare(d.proto, o.proto))
}

// spoken are the protocols that the sandbox can serve and probe.
var spoken = map[ruleset.Protocol]sandbox.Protocol{ruleset.TCP: sandbox.TCP, ruleset.UDP: sandbox.UDP}

// loadBlueprint reads manifests and completes them for this machine.
func loadBlueprint(cmd *cobra.Command, flags inputFlags) (*blueprint, error) {
	in, err := flags.load(cmd)
	if err != nil {
		return nil, err
	}
	b, err := newBlueprint(in.objects, familiesHere())
	if err != nil {
		return nil, err
	}
	if len(b.pods) == 0 {
		return nil, errors.New("no pod runs, so there is nobody to send packets")
	}
	b.madeUp, b.unclear = b.madeUp || in.copied, in.unclear
	return b, flags.tell(&input{notes: b.notes}, cmd.ErrOrStderr())
}

// familiesHere are those that this machine's kernel has.
func familiesHere() []ruleset.Family {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return []ruleset.Family{ruleset.IPv4}
	}
	return ruleset.Families[:]
}

// newBlueprint completes the objects, of which it changes none.
func newBlueprint(o policy.Objects, families []ruleset.Family) (*blueprint, error) {
	d := newDraft(o, families)
	if err := d.complete(); err != nil {
		return nil, err
	}
	b := &blueprint{madeUp: d.madeUp, objects: policy.Objects{
		Namespaces: o.Namespaces, Nodes: d.nodes, Pods: d.pods, Policies: o.Policies,
	}}
	for _, n := range d.nodes {
		ranges, _ := rangesOf(n) // read before
		ranges = slices.DeleteFunc(ranges, func(r netip.Prefix) bool { return !has(families, r.Addr()) })
		b.nodes = append(b.nodes, sandbox.Node{Name: n.Name, Addrs: only(families, nodeAddrs(n)), PodCIDRs: ranges})
	}
	b.house(families)
	b.shareNodes()
	return b, nil
}

// house lists the pods, with the addresses that this machine can give them.
func (b *blueprint) house(families []ruleset.Family) {
	byName := map[string]*corev1.Pod{}
	for _, p := range b.objects.Pods {
		byName[p.Namespace+"/"+p.Name] = p
	}
	for _, e := range endpoints(b.objects) {
		p := byName[e.name]
		if e.addrs = only(families, e.addrs); len(e.addrs) == 0 {
			b.notes = append(b.notes, e.name+" is left out: this machine has no IPv6, and the pod has nothing else")
			continue
		}
		b.pods = append(b.pods, resident{e, p.Spec.HostNetwork, doorsOf(p)})
	}
}

func has(families []ruleset.Family, a netip.Addr) bool {
	return slices.Contains(families, ruleset.FamilyOf(a))
}

// only returns the addresses of these families.
func only(families []ruleset.Family, addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !has(families, a) })
}

// shareNodes gives a port of a node to the first of the pods on the node's network that want it.
func (b *blueprint) shareNodes() {
	type place struct {
		node string
		door door
	}
	owners := map[place]string{}
	for i, r := range b.pods {
		if !r.hostNetwork {
			continue
		}
		b.pods[i].doors = slices.DeleteFunc(r.doors, func(d door) bool {
			owner, taken := owners[place{r.node, d}]
			if !taken {
				owners[place{r.node, d}] = r.name
				return false
			}
			b.notes = append(b.notes, fmt.Sprintf("%s does not serve %s: %s has this port of %s", r.name, d, owner, r.node))
			return true
		})
	}
}

// doorsOf are the ports that a pod declares, without SCTP; 80/tcp where there are none.
func doorsOf(p *corev1.Pod) []door {
	var doors []door
	for _, c := range policy.LastingContainers(p) {
		for _, port := range c.Ports {
			proto, err := ruleset.ParseProtocol(string(cmp.Or(port.Protocol, corev1.ProtocolTCP)))
			if err == nil && proto != ruleset.SCTP && port.ContainerPort > 0 && port.ContainerPort < 1<<16 {
				doors = append(doors, door{proto, uint16(port.ContainerPort)})
			}
		}
	}
	if len(doors) == 0 {
		return []door{{ruleset.TCP, 80}}
	}
	slices.SortFunc(doors, door.compare)
	return slices.Compact(doors)
}

// build makes the cluster live, every pod serving its ports.
func (b *blueprint) build(ctx context.Context) (*sandbox.Cluster, error) {
	c, err := sandbox.New(b.nodes)
	if err != nil {
		return nil, err
	}
	for _, r := range b.pods {
		if err := errors.Join(ctx.Err(), r.moveIn(c)); err != nil {
			_ = c.Close() // what failed before says more
			return nil, err
		}
	}
	return c, nil
}

func (r resident) moveIn(c *sandbox.Cluster) error {
	err := c.AddPod(sandbox.Pod{Name: r.name, Node: r.node, Addrs: r.addrs, HostNetwork: r.hostNetwork})
	if err != nil {
		return err
	}
	for _, d := range r.doors {
		if err := c.Serve(r.name, spoken[d.proto], d.number); err != nil {
			return err
		}
	}
	return nil
}
