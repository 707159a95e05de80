package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// maxFlowPorts bounds the ports that Flows asks about.
const maxFlowPorts = 12

// protocols are those that a flow can have; "" has no ports.
func protocols() []corev1.Protocol {
	return []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP, ""}
}

// Flows lists the flows worth asking about, each once: between every two
// addresses of one family (an address and itself too), for every protocol and
// the ports near those that the objects mention. The addresses are those of
// all pods, live or not, of the nodes, and some outside.
func (w *World) Flows() []Flow {
	var flows []Flow
	addrs, ports := w.flowAddresses(), w.flowPorts()
	for _, from := range addrs {
		for _, to := range addrs {
			if from.Is4() == to.Is4() {
				flows = append(flows, flowsBetween(from, to, ports)...)
			}
		}
	}
	return flows
}

// flowsBetween lists the flows from one address to another.
func flowsBetween(from, to netip.Addr, ports []int32) []Flow {
	var flows []Flow
	for _, protocol := range protocols() {
		if protocol == "" {
			flows = append(flows, Flow{From: from, To: to})
			continue
		}
		for _, port := range ports {
			flows = append(flows, Flow{From: from, To: to, Protocol: protocol, Port: port})
		}
	}
	return flows
}

// flowAddresses returns the sorted addresses of Flows.
func (w *World) flowAddresses() []netip.Addr {
	addrs := outsideAddresses()
	for _, p := range w.Pods {
		addrs = append(addrs, podAddresses(p)...)
	}
	for _, n := range w.Nodes {
		addrs = append(addrs, nodeAddresses(n)...)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// outsideAddresses are some that no pod and no node of a random world has: on
// the internet, among the pods' own, translated (RFC 6052) and link-local.
func outsideAddresses() []netip.Addr {
	var addrs []netip.Addr
	for _, text := range []string{"8.8.8.8", "10.244.1.200", "2001:db8::1", "64:ff9b::1",
		"fe80::1"} {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

// flowPorts returns the sorted ports of Flows: 80, those that policies and
// containers mention, and, while there is room, their neighbours.
func (w *World) flowPorts() []int32 {
	mentioned := append(w.policyPorts(), w.containerPorts()...)
	ports := []int32{80}
	for _, step := range []int32{0, 1, -1} {
		for _, port := range mentioned {
			near := port + step
			if 1 <= near && near <= 65535 && len(ports) < maxFlowPorts &&
				!slices.Contains(ports, near) {
				ports = append(ports, near)
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// policyPorts returns the numbers in the ports of all policies.
func (w *World) policyPorts() []int32 {
	var ports []int32
	for _, p := range w.Policies {
		for _, r := range bothRules(p) {
			for _, e := range r.ports {
				if e.Port != nil {
					ports = append(ports, e.Port.IntVal)
				}
				if e.EndPort != nil {
					ports = append(ports, *e.EndPort)
				}
			}
		}
	}
	return ports
}

// containerPorts returns the numbers in the containers of all pods, plain init
// containers too: asking for those shows that they do not count.
func (w *World) containerPorts() []int32 {
	var ports []int32
	for _, p := range w.Pods {
		for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
			for _, port := range c.Ports {
				ports = append(ports, port.ContainerPort)
			}
		}
	}
	return ports
}
