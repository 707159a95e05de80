package oracle

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// features counts what a random world shows. Names that start with "bad" are
// of wrong input.
type features map[string]int

// note remembers that a world shows something.
func (c features) note(name string, shown bool) {
	if shown {
		c[name]++
	} else if _, ok := c[name]; !ok {
		c[name] = 0
	}
}

// world notes what the objects of a world show.
func (c features) world(w *World) {
	c.note("one node", len(w.Nodes) == 1)
	c.note("three nodes", len(w.Nodes) == 3)
	c.note("one namespace", len(w.namespaceNames()) == 1)
	c.note("four namespaces", len(w.namespaceNames()) == 4)
	c.note("two pods", len(w.Pods) == 2)
	c.note("nine pods", len(w.Pods) == 9)
	c.note("no policy", len(w.Policies) == 0)
	c.note("five policies", len(w.Policies) == 5)
	c.note("names that join to the same", (w.hasPolicy("a", "bc") && w.hasPolicy("ab", "c")) ||
		(w.hasPolicy("a", "b-c") && w.hasPolicy("a-b", "c")))
	c.note("one pod name in two namespaces", w.hasPod("a", "p") && w.hasPod("ab", "p"))
	for _, ns := range w.Namespaces {
		value, says := ns.Annotations["picket.dev/audit"]
		c.note("namespace audited", value == "true")
		c.note("bad: audit of a namespace", says && value != "true" && value != "false")
		c.note("monitor of a namespace", len(ns.Annotations) > 0 && !says)
		c.note("namespace terminating", ns.DeletionTimestamp != nil)
		c.note("namespace with its name label", ns.Labels[corev1.LabelMetadataName] == ns.Name)
		label, has := ns.Labels[corev1.LabelMetadataName]
		c.note("bad: namespace without its name label", !has)
		c.note("bad: namespace with another's name", has && label != ns.Name)
	}
	for _, n := range w.Nodes {
		c.node(w, n)
	}
	for _, p := range w.Pods {
		c.pod(w, p)
		c.claims(w, p)
		c.ports(p)
	}
	for _, p := range w.Policies {
		c.policy(p)
		c.audit(w, p)
	}
}

func (c features) pod(w *World, p *corev1.Pod) {
	ips, live := podAddresses(p), p.Status.Phase != corev1.PodSucceeded &&
		p.Status.Phase != corev1.PodFailed
	has := func(is func(netip.Addr) bool) bool { return slices.ContainsFunc(ips, is) }
	c.note("single IPv4", has(netip.Addr.Is4) && !has(netip.Addr.Is6))
	c.note("single IPv6", has(netip.Addr.Is6) && !has(netip.Addr.Is4))
	c.note("dual", has(netip.Addr.Is4) && has(netip.Addr.Is6))
	c.note("no address", len(ips) == 0)
	c.note("podIP without podIPs", len(p.Status.PodIPs) == 0 && p.Status.PodIP != "")
	c.note("not scheduled", p.Spec.NodeName == "")
	c.note("hostNetwork", p.Spec.HostNetwork && len(ips) > 0)
	c.note("phase Pending", p.Status.Phase == corev1.PodPending)
	c.note("phase Succeeded, with address", p.Status.Phase == corev1.PodSucceeded && len(ips) > 0)
	c.note("phase Failed, with address", p.Status.Phase == corev1.PodFailed && len(ips) > 0)
	c.note("terminating", p.DeletionTimestamp != nil)
	c.note("startTime absent", p.Status.StartTime == nil)
	c.note("no labels", len(p.Labels) == 0)
	c.note("label without value", slices.Contains(labelText(p.Labels), "app="))
	c.note("bad: address", slices.ContainsFunc(statusAddresses(p), func(s string) bool {
		_, ok := usableAddress(s)
		return s != "" && !ok
	}))
	c.note("bad: node unknown", p.Spec.NodeName == "unknown")
	c.note("bad: address of a node", !p.Spec.HostNetwork && has(w.isNodeAddress))
	c.note("bad: podIP not in podIPs", len(p.Status.PodIPs) > 0 &&
		p.Status.PodIP != p.Status.PodIPs[0].IP)
	c.note("bad: namespace is no object", !slices.ContainsFunc(w.Namespaces,
		func(ns *corev1.Namespace) bool {
			return ns.Name == p.Namespace
		}))
	for _, q := range w.Pods {
		shared := q != p && !p.Spec.HostNetwork && slices.ContainsFunc(podAddresses(q),
			func(a netip.Addr) bool {
				return slices.Contains(ips, a)
			})
		dead := q.Status.Phase == corev1.PodSucceeded || q.Status.Phase == corev1.PodFailed
		c.note("address shared with a dead pod", shared && live && dead)
		c.note("address shared, other start", shared && live && !dead &&
			!startOf(p).Equal(startOf(q)))
		c.note("address shared, same start", shared && live && !dead &&
			startOf(p).Equal(startOf(q)))
	}
}

// audit notes what annotations say of a policy.
func (c features) audit(w *World, p *networkingv1.NetworkPolicy) {
	audit, has := p.Annotations["picket.dev/audit"]
	monitor, monitors := p.Annotations["kube-router.io/network-policy.monitor"]
	c.note("audited by itself", has && w.isAudited(p))
	c.note("monitored", !has && w.isAudited(p) && monitors)
	c.note("audited by its namespace", !has && !monitors && w.isAudited(p))
	c.note("audited, and not monitored", audit == "true" && monitor == "false")
	c.note("enforced in an audited namespace", has && audit == "false" && slices.ContainsFunc(
		w.Namespaces, func(ns *corev1.Namespace) bool {
			return ns.Name == p.Namespace && ns.Annotations["picket.dev/audit"] == "true"
		}))
	c.note("bad: audit", has && audit != "true" && audit != "false")
}

// node notes what a node shows.
func (c features) node(w *World, n *corev1.Node) {
	c.note("bad: node without ranges", len(n.Spec.PodCIDRs) == 0)
	c.note("bad: node with a range of one family", len(n.Spec.PodCIDRs) == 1)
	for _, a := range nodeAddresses(n) {
		c.note("bad: node lists a pod's address", w.isInRange(a) && len(w.subjectsAt(a)) > 0)
		c.note("bad: node lists another's address", !w.isInRange(a) && !w.hasAlone(n, a))
		c.note("bad: node lists a tunnel", strings.HasSuffix(a.String(), ".0") ||
			strings.HasSuffix(a.String(), "::"))
	}
}

// claims notes what a live pod says of addresses that others may have.
func (c features) claims(w *World, p *corev1.Pod) {
	ips := slices.SortedFunc(slices.Values(podAddresses(p)), netip.Addr.Compare)
	ips = slices.Compact(ips)
	void := slices.DeleteFunc(slices.Clone(ips), func(a netip.Addr) bool {
		return !claims(p, a) || w.isPlausible(p.Spec.NodeName, a)
	})
	c.note("bad: one address of two is not its own", len(void) == 1 && len(ips) == 2)
	for _, a := range void {
		c.note("bad: address of another node's range", w.isInRange(a))
		c.note("bad: address of another node's pod", w.isInRange(a) && len(w.subjectsAt(a)) > 0)
		c.note("bad: address outside of all ranges", !w.isInRange(a))
	}
	for _, a := range ips {
		at := w.subjectsAt(a)
		c.note("several nodes decide by an address", len(at) > 1)
		c.note("several pods of a node decide by an address", slices.ContainsFunc(at,
			func(pods []*corev1.Pod) bool {
				return len(pods) > 1
			}))
		c.note("bad: pod has a tunnel's address", w.PodAt(a) == p && strings.HasSuffix(a.String(),
			".0"))
	}
}

func labelText(labels map[string]string) []string {
	var texts []string
	for k, v := range labels {
		texts = append(texts, k+"="+v)
	}
	return texts
}

func (c features) ports(p *corev1.Pod) {
	named := map[string][]corev1.ContainerPort{}
	for _, container := range lastingContainers(p) {
		for _, port := range container.Ports {
			named[port.Name] = append(named[port.Name], port)
			c.note("container port without protocol", port.Protocol == "")
			c.note("container port SCTP", port.Protocol == corev1.ProtocolSCTP)
			c.note("bad: container port name", port.Name != "" && !isPortName(port.Name))
		}
	}
	for _, same := range named {
		c.note("a name with two numbers in one pod", len(same) > 1 &&
			same[0].ContainerPort != same[1].ContainerPort)
		c.note("a name with two protocols in one pod", len(same) > 1 &&
			containerProtocol(same[0]) != containerProtocol(same[1]))
	}
	for _, init := range p.Spec.InitContainers {
		c.note("sidecar with ports", init.RestartPolicy != nil && len(init.Ports) > 0)
		c.note("plain init container with ports", init.RestartPolicy == nil && len(init.Ports) > 0)
	}
}

// policy notes what a policy shows.
func (c features) policy(p *networkingv1.NetworkPolicy) {
	s := p.Spec
	c.note("long policy name", len(p.Name) > 200)
	c.note("podSelector empty", len(s.PodSelector.MatchLabels)+
		len(s.PodSelector.MatchExpressions) == 0)
	c.note("policyTypes nil", s.PolicyTypes == nil)
	c.note("policyTypes nil, egress rules", s.PolicyTypes == nil && len(s.Egress) > 0)
	c.note("policyTypes empty", s.PolicyTypes != nil && len(s.PolicyTypes) == 0)
	c.note("policyTypes Egress", slices.Equal(s.PolicyTypes, []networkingv1.PolicyType{"Egress"}))
	c.note("bad: policyTypes", slices.ContainsFunc(s.PolicyTypes,
		func(d networkingv1.PolicyType) bool {
			return d != "Ingress" && d != "Egress"
		}))
	c.note("ingress nil", s.Ingress == nil)
	c.note("ingress empty", s.Ingress != nil && len(s.Ingress) == 0)
	c.note("egress empty", s.Egress != nil && len(s.Egress) == 0)
	c.selector(&s.PodSelector)
	for _, r := range bothRules(p) {
		c.note("peers nil", r.peers == nil)
		c.note("peers empty", r.peers != nil && len(r.peers) == 0)
		c.note("ports nil", r.ports == nil)
		c.note("ports empty", r.ports != nil && len(r.ports) == 0)
		for _, peer := range r.peers {
			c.peer(peer)
		}
		for _, e := range r.ports {
			c.port(e)
		}
		c.blocks(r.peers)
	}
}

// selector notes what a selector shows.
func (c features) selector(s *metav1.LabelSelector) {
	c.note("matchLabels with matchExpressions", len(s.MatchLabels) > 0 &&
		len(s.MatchExpressions) > 0)
	c.note("selector by namespace name", s.MatchLabels[corev1.LabelMetadataName] != "")
	for _, e := range s.MatchExpressions {
		if isValidExpression(e) {
			c.note("operator "+string(e.Operator), true)
			continue
		}
		c.note("bad: operator unknown", !slices.Contains([]metav1.LabelSelectorOperator{"In",
			"NotIn", "Exists", "DoesNotExist"}, e.Operator))
		c.note("bad: values of In or NotIn", len(e.Values) == 0 && (e.Operator == "In" ||
			e.Operator == "NotIn"))
		c.note("bad: values of Exists", len(e.Values) > 0 && e.Operator == "Exists")
		c.note("bad: values of DoesNotExist", len(e.Values) > 0 && e.Operator == "DoesNotExist")
		c.note("bad: key", e.Key == "")
	}
}

// peer notes what a peer shows.
func (c features) peer(p networkingv1.NetworkPolicyPeer) {
	pods, namespaces, block := p.PodSelector != nil, p.NamespaceSelector != nil, p.IPBlock != nil
	c.note("peer podSelector", pods && !namespaces && !block)
	c.note("peer namespaceSelector", !pods && namespaces && !block)
	c.note("peer both selectors", pods && namespaces && !block)
	c.note("bad: peer empty", !pods && !namespaces && !block)
	c.note("bad: peer ipBlock with podSelector", block && pods)
	c.note("bad: peer ipBlock with namespaceSelector", block && namespaces)
	if pods {
		c.selector(p.PodSelector)
	}
	if namespaces {
		c.selector(p.NamespaceSelector)
	}
	if block {
		c.block(*p.IPBlock)
	}
}

// block notes what an ipBlock shows.
func (c features) block(b networkingv1.IPBlock) {
	cidr, ok := parseCIDR(b.CIDR)
	c.note("cidr 0.0.0.0/0", b.CIDR == "0.0.0.0/0")
	c.note("cidr ::/0", b.CIDR == "::/0")
	c.note("cidr of one address", ok && cidr.IsSingleIP())
	c.note("cidr of a node's pods", ok && strings.HasPrefix(b.CIDR, "10.244.1.0/24") ||
		b.CIDR == "fd00:10:244:1::/64")
	zeros := inDecimal(b.CIDR) != b.CIDR
	c.note("cidr with host bits", ok && !zeros && cidr.String() != b.CIDR)
	c.note("cidr with leading zeros", ok && zeros)
	c.note("bad: cidr", !ok)
	var seen []netip.Prefix
	for _, text := range b.Except {
		e, ok := parseCIDR(text)
		c.note("bad: except", !ok)
		c.note("bad: except outside or all", ok && (!cidr.Contains(e.Addr()) ||
			e.Bits() <= cidr.Bits()))
		zeros := inDecimal(text) != text
		c.note("except with host bits", ok && !zeros && e.String() != text)
		c.note("except with leading zeros", ok && zeros)
		c.note("excepts overlap", slices.ContainsFunc(seen, e.Overlaps))
		c.note("except twice", slices.Contains(seen, e))
		seen = append(seen, e)
	}
}

// blocks compares the ipBlocks of one rule with each other.
func (c features) blocks(peers []networkingv1.NetworkPolicyPeer) {
	for _, p := range peers {
		for _, q := range peers {
			if p.IPBlock == nil || q.IPBlock == nil || p.IPBlock == q.IPBlock {
				continue
			}
			a, _ := parseCIDR(p.IPBlock.CIDR)
			b, _ := parseCIDR(q.IPBlock.CIDR)
			c.note("cidrs of one rule overlap", a != b && a.Overlaps(b))
			for _, text := range q.IPBlock.Except {
				e, _ := parseCIDR(text)
				c.note("except overlaps another's cidr", a.Overlaps(e))
				c.note("cidr is another's except", a.IsValid() && a == e)
			}
		}
	}
}

// port notes what a port shows.
func (c features) port(e networkingv1.NetworkPolicyPort) {
	c.note("protocol nil", e.Protocol == nil)
	c.note("port nil", e.Port == nil && e.EndPort == nil)
	c.note("bad: endPort without port", e.Port == nil && e.EndPort != nil)
	if e.Protocol != nil {
		known := slices.Contains(protocols()[:3], *e.Protocol)
		c.note("protocol SCTP", *e.Protocol == corev1.ProtocolSCTP)
		c.note("protocol TCP", *e.Protocol == corev1.ProtocolTCP)
		c.note("bad: protocol", !known)
	}
	if e.Port == nil {
		return
	}
	name, number := e.Port.Type == intstr.String, e.Port.IntVal
	c.note("port name", name && isPortName(e.Port.StrVal))
	c.note("port name that no pod has", e.Port.StrVal == "nobody")
	c.note("bad: port name", name && !isPortName(e.Port.StrVal))
	c.note("bad: port number", !name && (number < 1 || number > 65535))
	if e.EndPort == nil {
		return
	}
	end := *e.EndPort
	c.note("endPort equals port", !name && end == number)
	c.note("endPort above port", !name && end > number && end < 65535)
	c.note("endPort 65535", !name && end == 65535)
	c.note("bad: endPort of a name", name)
	c.note("bad: endPort below port", !name && end < number)
	c.note("bad: endPort above 65535", end > 65535)
}
