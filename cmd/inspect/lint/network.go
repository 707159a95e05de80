package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// peersList returns the peers of a rule as they are written.
func peersList(
	np *networkingv1.NetworkPolicy, d ruleset.Direction, index int,
) []networkingv1.NetworkPolicyPeer {
	if d == ruleset.Ingress {
		return np.Spec.Ingress[index].From
	}
	return np.Spec.Egress[index].To
}

// servicePorts finds rules for ingress on a port that only the subjects' Service has: policies see
// the pod's port.
func (l *linter) servicePorts() {
	l.eachRule(func(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
		pods := l.subjects(p)
		if d == ruleset.Egress {
			pods = nil
			for _, s := range r.Pods {
				pods = append(pods, l.selected(s)...)
			}
		}
		// A range hardly means one port of a Service.
		for _, ports := range r.Ports {
			for _, n := range ports.Ranges {
				port := ask.Port{Protocol: ports.Proto, Number: n.First}
				if n.First != n.Last || declared(pods, port) {
					continue
				}
				if s, want, found := l.behind(pods, port); found {
					l.add(at{p.Key, fieldOf(d, r.Index) + ".ports"},
						fmt.Sprintf(
							"%s is a port of Service %s; packets reach the pods on %s",
							port, s, want),
						"name the pod's port: "+want.String())
				}
			}
		}
	})
}

// declared reports whether a pod declares a port.
func declared(pods []ask.Pod, port ask.Port) bool {
	return slices.ContainsFunc(pods, func(p ask.Pod) bool {
		return slices.ContainsFunc(p.Ports, port.Same)
	})
}

// behind returns the Service of some pods that has a port, and the pods' port behind it, if that is
// another one.
func (l *linter) behind(pods []ask.Pod, port ask.Port) (name string, want ask.Port, found bool) {
	for i, s := range l.cluster.Services {
		// Few Services have the port, and looking at that costs little.
		if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			return p.Port == int32(port.Number)
		}) {
			continue
		}
		serving := l.servingPods()[i]
		for _, pod := range pods {
			if !serving[pod.Key] {
				continue
			}
			want, ok := ask.ServicePort(s, pod, port)
			if ok && !want.Same(port) {
				return s.Namespace + "/" + s.Name, want, true
			}
		}
	}
	return "", ask.Port{}, false
}

// servingPods returns the pods that each Service leads to, in the order of the Services.
func (l *linter) servingPods() []map[policy.Key]bool {
	for len(l.serving) < len(l.cluster.Services) {
		pods := map[policy.Key]bool{}
		for _, p := range l.cluster.PodsOf(l.cluster.Services[len(l.serving)]) {
			pods[p.Key] = true
		}
		l.serving = append(l.serving, pods)
	}
	return l.serving
}

// eachBlock hands over the ipBlocks as they are written.
func (l *linter) eachBlock(each func(p policy.Key, field string, block netip.Prefix)) {
	l.eachRule(func(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
		for i, peer := range peersList(l.cluster.Spec(p.Key), d, r.Index) {
			if peer.IPBlock == nil {
				continue
			}
			if block, ok := policy.ParseCIDR(peer.IPBlock.CIDR); ok {
				each(p.Key, fmt.Sprintf("%s.%s[%d].ipBlock.cidr", fieldOf(d, r.Index), peersOf(d), i),
					block.Masked())
			}
		}
	})
}

// blocksOfPods finds ipBlocks that are a part of the ranges of pods: their addresses change.
func (l *linter) blocksOfPods() {
	ranges := l.cluster.PodRanges()
	l.eachBlock(func(p policy.Key, field string, block netip.Prefix) {
		for _, r := range ranges {
			if r.Bits() <= block.Bits() && r.Contains(block.Addr()) && !l.isNodes(block) {
				l.add(at{p, field},
					fmt.Sprintf(
						"%s is a part of the pods' addresses %s, and a pod's address changes",
						block, r),
					"select the pods by their labels")
				return
			}
		}
	})
}

// isNodes reports whether a block is addresses of a node.
func (l *linter) isNodes(block netip.Prefix) bool {
	for _, name := range l.cluster.NodeNames() {
		addrs, _ := l.cluster.NodeAddrs(name)
		if slices.ContainsFunc(addrs, block.Contains) {
			return true
		}
	}
	return false
}

// widestService is the shortest prefix that can be meant for one Service, by family.
var widestService = map[int]int{32: 24, 128: 112}

// blocksOfServices finds ipBlocks for a Service's address, which no packet has once it is decided
// about.
func (l *linter) blocksOfServices() {
	l.eachBlock(func(p policy.Key, field string, block netip.Prefix) {
		// A wide range may well be meant for all of a network.
		if block.Bits() < widestService[block.Addr().BitLen()] {
			return
		}
		for _, s := range l.cluster.Services {
			if slices.ContainsFunc(ask.ClusterAddrs(s), block.Contains) {
				l.add(at{p, field},
					fmt.Sprintf(
						"%s is the address of Service %s/%s, which is translated to a pod's "+
							"before a policy sees it",
						block, s.Namespace, s.Name),
					"select the Service's pods by their labels")
				return
			}
		}
	})
}

// dnsPort is where DNS is asked.
var dnsPort = ask.Port{Protocol: ruleset.UDP, Number: 53}

// dnsPods returns the pods that serve DNS for the cluster.
func (l *linter) dnsPods() []ask.Pod {
	var pods []ask.Pod
	for _, p := range l.cluster.Pods {
		if strings.HasSuffix(p.Labels["k8s-app"], "-dns") && !p.Host {
			pods = append(pods, p)
		}
	}
	return pods
}

// noDNS finds policies that allow some egress of pods which cannot ask for names.
func (l *linter) noDNS() {
	dns := l.dnsPods()
	if len(dns) == 0 {
		return
	}
	found := map[policy.Key]bool{}
	for _, g := range l.cluster.Groups(l.cluster.Pods) {
		pod := g.Rep()
		var allows *policy.Policy
		for _, p := range l.cluster.Isolating(pod, ruleset.Egress) {
			if len(p.Rules[ruleset.Egress]) > 0 && allows == nil {
				allows = p
			}
		}
		if allows == nil || found[allows.Key] || l.asks(pod, dns) {
			continue
		}
		found[allows.Key] = true
		l.add(at{allows.Key, "spec.egress"},
			fmt.Sprintf(
				"%s may send, but not ask DNS (%s udp/53), so it finds nobody by name",
				pod.Workload.Key(), dns[0].Workload.Key()),
			fmt.Sprintf(
				"allow udp/53 and tcp/53 to pods with k8s-app=%s in namespace %s",
				dns[0].Labels["k8s-app"], dns[0].Namespace))
	}
}

// asks reports whether a pod may send to one of the DNS pods.
func (l *linter) asks(pod ask.Pod, dns []ask.Pod) bool {
	for _, d := range dns {
		for _, f := range ask.Flows(pod.Addrs, d.Addrs, dnsPort) {
			if !l.cluster.Decide(ruleset.Egress, f).Denied() {
				return true
			}
		}
	}
	return false
}
