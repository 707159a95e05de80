package ask

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Pod is a pod that runs and has an address.
type Pod struct {
	policy.Key
	Workload Workload
	Node     string
	Host     bool // on its node's network: no policy selects it
	Labels   map[string]string
	Addrs    []netip.Addr // sorted
	Ports    []Port       // that it declares, each once, sorted

	named  []Port     // Ports, each once for every name that it has
	policy policy.Pod // as policies see it; the zero value where Host is set
	counts bool
}

// Port is a port of a protocol. AnyProtocol is every packet without ports, ICMP for instance.
type Port struct {
	Protocol ruleset.Protocol
	Number   uint16
	Name     string // that the pod gives it, the first of several; may be empty
}

// String is tcp/8080, or icmp for what has no ports.
func (p Port) String() string {
	if p.Protocol == ruleset.AnyProtocol {
		return "icmp"
	}
	return fmt.Sprintf("%s/%d", p.Protocol, p.Number)
}

// Compare orders ports by number, protocol and name.
func (p Port) Compare(o Port) int {
	return cmp.Or(cmp.Compare(p.Number, o.Number), cmp.Compare(p.Protocol, o.Protocol),
		cmp.Compare(p.Name, o.Name))
}

// Same reports whether it is the same port; the name does not count.
func (p Port) Same(o Port) bool { return p.Protocol == o.Protocol && p.Number == o.Number }

// Flow is the first packet from one address to this port of another.
func (p Port) Flow(from, to netip.Addr) ruleset.Flow {
	return ruleset.Flow{From: from, To: to, Proto: p.Protocol, Port: p.Number}
}

// newPod converts an API object; ok is false for one that has finished or has no address.
func newPod(p *corev1.Pod) (pod Pod, ok bool) {
	addrs := policy.PodAddrs(p)
	if policy.Finished(p) || len(addrs) == 0 {
		return Pod{}, false
	}
	pod = Pod{
		Key: policy.Key{Namespace: p.Namespace, Name: p.Name}, Workload: WorkloadOf(p),
		Node: p.Spec.NodeName, Host: p.Spec.HostNetwork, Labels: p.Labels, Addrs: addrs,
		named: declaredPorts(p),
	}
	pod.Ports = slices.CompactFunc(slices.Clone(pod.named), Port.Same)
	pod.policy, pod.counts = policy.NewPod(p)
	return pod, true
}

// declaredPorts returns the ports that the containers of a pod declare, each once for every name
// that it has, sorted.
func declaredPorts(p *corev1.Pod) []Port {
	var ports []Port
	for _, c := range policy.LastingContainers(p) {
		for _, d := range c.Ports {
			proto, err := ruleset.ParseProtocol(cmp.Or(string(d.Protocol), "TCP"))
			if err == nil && d.ContainerPort > 0 && d.ContainerPort <= 65535 {
				ports = append(ports, Port{proto, uint16(d.ContainerPort), d.Name})
			}
		}
	}
	slices.SortFunc(ports, Port.Compare)
	return slices.Compact(ports)
}

// Named returns the ports that the pod declares, each once for every name that it has, sorted. The
// caller must not change the list.
func (p Pod) Named() []Port { return p.named }

// Policy returns the pod as policies see it; ok is false for one that no policy can select.
func (p Pod) Policy() (pod policy.Pod, ok bool) { return p.policy, p.counts }
