package oracle

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// pod draws a pod that is not yet in the world. Pods of several namespaces
// often have one name.
func (d *draw) pod() *corev1.Pod {
	p := &corev1.Pod{}
	p.Namespace = pick(d.r, d.names...)
	p.Name = unused(d.r, []string{"p", "q", "r", "s", "t"}, func(name string) bool {
		return d.w.hasPod(p.Namespace, name)
	})
	p.Labels = d.labels()
	p.CreationTimestamp = *d.moment()
	d.containers(p)
	d.place(p)
	d.fate(p)
	return p
}

// place puts the pod on a node and gives it its addresses, or none.
func (d *draw) place(p *corev1.Pod) {
	n := between(d.r, 1, max(1, len(d.w.Nodes)))
	p.Spec.NodeName = nodeName(n)
	switch d.r.IntN(12) {
	case 0, 1:
		p.Spec.HostNetwork = true
		d.setAddresses(p, nodeIPs(n))
	case 2, 3:
		d.share(p, n)
	case 4:
		if d.half() {
			p.Spec.NodeName = "" // not scheduled yet
		}
	case 5:
		d.claim(p, n)
	default:
		d.setAddresses(p, d.freeIPs(n))
	}
	if d.bad() {
		d.spoilAddress(p, n)
	}
}

// setAddresses states the addresses, one of each family, or of one of them
// where the world may have such pods, in one of the forms that kubelets use.
func (d *draw) setAddresses(p *corev1.Pod, both []corev1.PodIP) {
	ips := slices.Clone(both)
	if !d.size.Dual {
		ips = pick(d.r, ips, ips, ips[:1], ips[1:])
	}
	p.Status.PodIP, p.Status.PodIPs = ips[0].IP, ips
	if len(ips) == 1 && d.seldom() {
		p.Status.PodIPs = nil
	}
}

// share gives the pod all addresses of another one on its node, or some of
// them where pods may have one family only. Where it is the first it gets new ones.
func (d *draw) share(p *corev1.Pod, n int) {
	choice := [][]corev1.PodIP{}
	for _, other := range d.w.Pods {
		if other.Spec.NodeName == nodeName(n) && !other.Spec.HostNetwork &&
			len(other.Status.PodIPs) == 2 {
			choice = append(choice, other.Status.PodIPs)
		}
	}
	if len(choice) == 0 {
		choice = append(choice, d.freeIPs(n))
	}
	d.setAddresses(p, pick(d.r, choice...))
}

// claim gives the pod two addresses of which one or both cannot be its own.
func (d *draw) claim(p *corev1.Pod, n int) {
	ips := d.freeIPs(n)
	if !d.size.Valid {
		foreign := pick(d.r, d.foreignIPs()...)
		for _, i := range pick(d.r, []int{0}, []int{1}, []int{0, 1}) {
			ips[i] = foreign[i]
		}
	}
	p.Status.PodIP, p.Status.PodIPs = ips[0].IP, ips
}

// foreignIPs are pairs of addresses that are somebody's, or nobody's: of pods,
// those that one will have, of nodes and their tunnels, and outside.
func (d *draw) foreignIPs() [][]corev1.PodIP {
	pairs := [][]corev1.PodIP{{{IP: "8.8.8.8"}, {IP: "2001:db8::1"}}}
	for n := range max(2, len(d.w.Nodes)) {
		pairs = append(pairs, nodeIPs(n+1), []corev1.PodIP{{IP: fmt.Sprintf("10.244.%d.0", n+1)},
			{IP: fmt.Sprintf("fd00:10:244:%d::", n+1)}})
		for x := 2; x < 5; x++ {
			pairs = append(pairs, []corev1.PodIP{{IP: fmt.Sprintf("10.244.%d.%d", n+1, x)},
				{IP: fmt.Sprintf("fd00:10:244:%d::%x", n+1, x)}})
		}
	}
	return pairs
}

// freeIPs returns the first two addresses of node number n that no pod states.
func (d *draw) freeIPs(n int) []corev1.PodIP {
	for x := 2; ; x++ {
		ips := []corev1.PodIP{{IP: fmt.Sprintf("10.244.%d.%d", n, x)},
			{IP: fmt.Sprintf("fd00:10:244:%d::%x", n, x)}}
		if !d.w.states(ips[0].IP) && !d.w.states(ips[1].IP) {
			return ips
		}
	}
}

// states tells if the status of some pod has the address.
func (w *World) states(ip string) bool {
	return slices.ContainsFunc(w.Pods, func(p *corev1.Pod) bool {
		return slices.Contains(statusAddresses(p), ip)
	})
}

// spoilAddress gives the pod what no kubelet should report.
func (d *draw) spoilAddress(p *corev1.Pod, n int) {
	switch d.r.IntN(4) {
	case 0:
		p.Status.PodIP = pick(d.r, badAddresses()...)
	case 1:
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: pick(d.r, badAddresses()...)})
	case 2:
		p.Status.PodIP = d.freeIPs(n)[0].IP // not one of podIPs
	case 3:
		p.Spec.NodeName = "unknown"
		p.Status.PodIPs = append(p.Status.PodIPs, pick(d.r, nodeIPs(n)...))
	}
}

// badAddresses are those that do not count.
func badAddresses() []string {
	return []string{
		"nonsense", "10.244.1", "10.244.1.2/32", "fe80::1%eth0", "127.0.0.1", "::1",
		"224.0.0.1", "ff02::1", "0.0.0.0", "::", "::ffff:10.244.1.2",
	}
}

// fate draws how far the pod's life has got.
func (d *draw) fate(p *corev1.Pod) {
	p.Status.Phase = pick(d.r, corev1.PodRunning, corev1.PodRunning, corev1.PodRunning,
		corev1.PodRunning, corev1.PodRunning,
		corev1.PodRunning, corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded,
		corev1.PodFailed)
	if !d.seldom() {
		p.Status.StartTime = d.moment()
	}
	if d.seldom() {
		p.DeletionTimestamp = d.moment()
	}
}

// containers draws one or two, and often an init container or a sidecar.
func (d *draw) containers(p *corev1.Pod) {
	for i := range between(d.r, 1, 2) {
		p.Spec.Containers = append(p.Spec.Containers, d.container(fmt.Sprintf("main-%d", i)))
	}
	if d.half() {
		p.Spec.InitContainers = append(p.Spec.InitContainers, d.container("setup"))
	}
	if d.half() {
		sidecar, always := d.container("sidecar"), corev1.ContainerRestartPolicyAlways
		sidecar.RestartPolicy = &always
		p.Spec.InitContainers = append(p.Spec.InitContainers, sidecar)
	}
}

// container draws one with up to two ports of different names. The same name
// means other numbers and protocols elsewhere, in the same pod too.
func (d *draw) container(name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "pause"}
	for _, port := range some(d.r, d.r.IntN(3), portNames()...) {
		if d.bad() {
			port = pick(d.r, badPortNames()...)
		}
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: port, Protocol: d.containerProtocol(),
			ContainerPort: d.portNumber()})
	}
	return c
}

// portNames are those of containers; "" is a port without a name.
func portNames() []string { return []string{"web", "dns", "x-1", ""} }

// badPortNames are no IANA service names, but some pods carry them.
func badPortNames() []string {
	return []string{"Web", "80", "a--b", "-a", "a-", "a_b", "sixteen-letters-", "abcdefghijklmnop"}
}

// containerProtocol draws one, or "" for the default.
func (d *draw) containerProtocol() corev1.Protocol {
	return pick(d.r, append(d.protocols(), "")...)
}

// protocols are those that the world may have, TCP twice as likely.
func (d *draw) protocols() []corev1.Protocol {
	all := []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP}
	if !d.size.NoSCTP {
		all = append(all, corev1.ProtocolSCTP)
	}
	return all
}

// portNumber draws from few numbers: neighbours, and the two ends.
func (d *draw) portNumber() int32 {
	return pick[int32](d.r, 53, 53, 80, 80, 80, 81, 81, 82, 90, 90, 1, 65535)
}
