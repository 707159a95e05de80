package sandbox

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

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// plan is a cluster that can be built: what manifests state, and made up what they leave open.
type plan struct {
	// In objects every node has addresses and pod ranges, every pod a node and addresses.
	objects policy.Objects
	madeUp  bool // the manifests do not state all of the objects
	nodes   []sandbox.Node
	pods    []podPlan // sorted by name
	notes   []string  // what is left out
	unclear []string  // parts of policies that cannot be understood
}

// podPlan is a pod and what it serves.
type podPlan struct {
	inspect.Pod
	hostNetwork bool
	ports       []inspect.Port // TCP and UDP
}

// probeProtocols are the protocols that the sandbox can serve and probe.
var probeProtocols = map[ruleset.Protocol]sandbox.Protocol{
	ruleset.TCP: sandbox.TCP,
	ruleset.UDP: sandbox.UDP,
}

// loadPlan reads manifests and completes them for this machine.
func loadPlan(cmd *cobra.Command, flags input.Flags) (*plan, error) {
	in, err := flags.Load(cmd)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(in.Objects, kernelFamilies())
	if err != nil {
		return nil, err
	}
	// A report without probes would look like a good one.
	if len(p.pods) == 0 {
		return nil, errors.New("no pod runs, so there is nobody to send packets")
	}
	// If an agent would read other objects out of the paths, it has to read the completed ones.
	p.madeUp, p.unclear = p.madeUp || in.Copied, in.Unclear
	for _, note := range p.notes {
		input.Tell(cmd.ErrOrStderr(), "note", note)
	}
	return p, nil
}

// kernelFamilies are the address families of this machine's kernel. A kernel that was started with
// ipv6.disable=1 has no such folder.
func kernelFamilies() []ruleset.Family {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return []ruleset.Family{ruleset.IPv4}
	}
	return ruleset.Families[:]
}

// newPlan completes the objects, of which it changes none.
func newPlan(o policy.Objects, families []ruleset.Family) (*plan, error) {
	complete, madeUp, err := inspect.Complete(o, families)
	if err != nil {
		return nil, err
	}
	// Addresses and ranges of families that the kernel does not have are left out.
	p := &plan{objects: complete, madeUp: madeUp}
	for _, n := range complete.Nodes {
		ranges, _ := inspect.PodRanges(n) // Complete has read them, too
		p.nodes = append(p.nodes, sandbox.Node{
			Name:  n.Name,
			Addrs: inspect.InFamilies(inspect.NodeAddrs(n), families),
			PodCIDRs: slices.DeleteFunc(ranges, func(r netip.Prefix) bool {
				return !slices.Contains(families, ruleset.FamilyOf(r.Addr()))
			}),
		})
	}
	p.addPods(families)
	p.shareNodePorts()
	return p, nil
}

// addPods adds the pods, with those of their addresses that this machine can have.
func (p *plan) addPods(families []ruleset.Family) {
	byName := map[string]*corev1.Pod{}
	for _, pod := range p.objects.Pods {
		byName[pod.Namespace+"/"+pod.Name] = pod
	}
	for _, pod := range inspect.PodsOf(p.objects) {
		object := byName[pod.Name]
		if pod = pod.In(families...); len(pod.Addrs) == 0 {
			p.notes = append(p.notes, pod.Name+
				" is left out: this machine has no IPv6, and the pod has nothing else")
			continue
		}
		p.pods = append(p.pods, podPlan{pod, object.Spec.HostNetwork, portsOf(object)})
	}
}

// shareNodePorts gives each port of a node to the first pod on the node's network that wants it.
func (p *plan) shareNodePorts() {
	type nodePort struct {
		node string
		port inspect.Port
	}
	owners := map[nodePort]string{}
	for i, pod := range p.pods {
		// A pod with a network of its own shares its ports with nobody.
		if !pod.hostNetwork {
			continue
		}
		p.pods[i].ports = slices.DeleteFunc(pod.ports, func(port inspect.Port) bool {
			owner, taken := owners[nodePort{pod.Node, port}]
			if !taken {
				owners[nodePort{pod.Node, port}] = pod.Name
				return false
			}
			p.notes = append(p.notes, fmt.Sprintf("%s does not serve %s: %s has this port of %s",
				pod.Name, port, owner, pod.Node))
			return true
		})
	}
}

// portsOf returns the ports that a pod declares, without SCTP; 80/tcp if there are none.
func portsOf(p *corev1.Pod) []inspect.Port {
	var ports []inspect.Port
	for _, c := range policy.LastingContainers(p) {
		for _, stated := range c.Ports {
			protocol := cmp.Or(stated.Protocol, corev1.ProtocolTCP)
			parsed, err := ruleset.ParseProtocol(string(protocol))
			// Nothing has validated manifests that come from a file.
			valid := stated.ContainerPort > 0 && stated.ContainerPort < 1<<16
			if err == nil && parsed != ruleset.SCTP && valid {
				ports = append(ports, inspect.Port{
					Protocol: parsed, Number: uint16(stated.ContainerPort)})
			}
		}
	}
	// A pod can serve ports that it does not declare, so one is tried.
	if len(ports) == 0 {
		return []inspect.Port{{Protocol: ruleset.TCP, Number: 80}}
	}
	// Several containers of a pod may declare the same port.
	slices.SortFunc(ports, inspect.Port.Compare)
	return slices.Compact(ports)
}

// build makes the cluster, in which every pod serves its ports.
func (p *plan) build(ctx context.Context, shown progress) (*sandbox.Cluster, error) {
	// The nodes come first; pods are attached to them.
	c, err := sandbox.New(p.nodes)
	if err != nil {
		return nil, err
	}
	for _, pod := range p.pods {
		// After an interrupt no more pods are added.
		if err := errors.Join(ctx.Err(), pod.addTo(c)); err != nil {
			_ = c.Close() // the first error says more
			return nil, err
		}
		shown.done(1)
	}
	return c, nil
}

// addTo adds the pod to the cluster and lets it serve its ports.
func (p podPlan) addTo(c *sandbox.Cluster) error {
	err := c.AddPod(sandbox.Pod{
		Name: p.Name, Node: p.Node, Addrs: p.Addrs, HostNetwork: p.hostNetwork})
	if err != nil {
		return err
	}
	for _, port := range p.ports {
		if err := c.Serve(p.Name, probeProtocols[port.Protocol], port.Number); err != nil {
			return err
		}
	}
	return nil
}
