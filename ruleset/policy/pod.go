package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
)

// Key names a namespaced object.
type Key struct{ Namespace, Name string }

// Compare orders keys by namespace, then name.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Namespace, o.Namespace), strings.Compare(k.Name, o.Name))
}

// String is namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Pod is what policies need to know of a pod that counts: one with an address of its
// own that has not finished.
type Pod struct {
	Key
	Node    string // spec.nodeName
	Labels  map[string]string
	Addrs   []netip.Addr // status.podIPs, sorted
	Ports   []PortName   // of containers and native sidecars, sorted
	Started int64        // status.startTime in Unix seconds; see Outranks
}

// NewPod converts an API object. The result counts (ok) while the pod has an address,
// has not finished (status.phase Succeeded, Failed) and does not share its node's
// network (spec.hostNetwork): such a pod has its node's address and is neither subject
// nor peer.
func NewPod(p *corev1.Pod) (pod Pod, ok bool) {
	addrs := PodAddrs(p)
	if Finished(p) || p.Spec.HostNetwork || len(addrs) == 0 {
		return Pod{}, false
	}
	return Pod{
		Key: Key{p.Namespace, p.Name}, Node: p.Spec.NodeName, Labels: p.Labels,
		Addrs: addrs, Ports: podPorts(p), Started: started(p),
	}, true
}

// PodAddrs returns the addresses of a pod (status.podIPs and podIP), sorted, without
// those that no pod can have. A pod on its node's network has the node's.
func PodAddrs(p *corev1.Pod) []netip.Addr {
	texts := []string{p.Status.PodIP}
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	return ParseAddrs(texts)
}

// Finished reports whether a pod has run to its end (status.phase Succeeded or Failed):
// another pod may have its address by now.
func Finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// LastingContainers returns the containers that run as long as the pod, with the init
// containers that keep running beside them (restartPolicy Always).
func LastingContainers(p *corev1.Pod) []corev1.Container {
	containers := slices.Clone(p.Spec.Containers)
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	return containers
}

// podPorts returns the named ports. A port without a name, or that no packet can have,
// is left out.
func podPorts(p *corev1.Pod) []PortName {
	var ports []PortName
	for _, c := range LastingContainers(p) {
		for _, port := range c.Ports {
			stated := cmp.Or(port.Protocol, corev1.ProtocolTCP)
			proto, err := protocolOf(&stated)
			valid := err == nil && port.ContainerPort > 0 && port.ContainerPort <= maxPort
			if port.Name != "" && valid {
				ports = append(ports, PortName{port.Name, proto, uint16(port.ContainerPort)})
			}
		}
	}
	slices.SortFunc(ports, PortName.compare)
	return slices.Compact(ports)
}

// started returns when a pod started or, until its node says so, when it was created.
func started(p *corev1.Pod) int64 {
	switch {
	case p.Status.StartTime != nil:
		return p.Status.StartTime.Unix()
	case !p.CreationTimestamp.IsZero():
		return p.CreationTimestamp.Unix()
	default:
		return 0
	}
}

// Outranks reports whether p has an address that both claim: the pod that started last
// has it, of pods that started in the same second the one whose name comes last.
func (p Pod) Outranks(o Pod) bool {
	return cmp.Or(cmp.Compare(p.Started, o.Started), strings.Compare(p.String(), o.String())) > 0
}

// Equal reports whether nothing that policies look at differs.
func (p Pod) Equal(o Pod) bool {
	return p.Key == o.Key && p.Node == o.Node && p.Started == o.Started &&
		maps.Equal(p.Labels, o.Labels) && slices.Equal(p.Addrs, o.Addrs) &&
		slices.Equal(p.Ports, o.Ports)
}

// Families returns the families of the pod's addresses, in the order of
// ruleset.Families.
func (p Pod) Families() []ruleset.Family {
	var families []ruleset.Family
	for _, f := range ruleset.Families {
		is := func(a netip.Addr) bool { return ruleset.FamilyOf(a) == f }
		if slices.ContainsFunc(p.Addrs, is) {
			families = append(families, f)
		}
	}
	return families
}

// KeepAddrs returns the pod with some of its addresses only.
func (p Pod) KeepAddrs(keep func(netip.Addr) bool) Pod {
	drop := func(a netip.Addr) bool { return !keep(a) }
	p.Addrs = slices.DeleteFunc(slices.Clone(p.Addrs), drop)
	return p
}
