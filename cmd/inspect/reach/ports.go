package reach

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// portsToAsk returns the ports of a pod to ask about, sorted: those that it declares. What a pod
// declares is information only, so of one that declares none it is those that somebody means: its
// Services, the rules of its policies, and rules for egress that select it.
func portsToAsk(c *ask.Cluster, p ask.Pod) []ask.Port {
	if len(p.Ports) > 0 {
		return p.Ports
	}
	ports := servicePorts(c, p)
	for _, one := range deciding(c, p, ruleset.Ingress) {
		ports = append(ports, rulePorts(one.Rules[ruleset.Ingress])...)
	}
	for _, one := range c.Policies {
		for _, r := range one.Rules[ruleset.Egress] {
			selects := func(s *policy.Selector) bool { return c.Selects(s, p) }
			if len(r.Ports) > 0 && slices.ContainsFunc(r.Pods, selects) {
				ports = append(ports, rulePorts([]policy.Rule{r})...)
			}
		}
	}
	return sortedPorts(ports)
}

// deciding returns the policies that can decide about a pod in a direction: all of them where its
// address can be another pod's, too.
func deciding(c *ask.Cluster, p ask.Pod, d ruleset.Direction) []*policy.Policy {
	if c.Disputed(p) {
		return c.Policies
	}
	return c.Isolating(p, d)
}

// servicePorts returns the ports of a pod that Services lead to.
func servicePorts(c *ask.Cluster, p ask.Pod) (ports []ask.Port) {
	for _, s := range c.Services {
		if !leadsTo(s, p) {
			continue
		}
		for _, port := range s.Spec.Ports {
			proto, err := ruleset.ParseProtocol(string(port.Protocol))
			if err != nil {
				proto = ruleset.TCP // what the API takes for none
			}
			if port.Port < 1 || port.Port > 65535 {
				continue
			}
			asked := ask.Port{Protocol: proto, Number: uint16(port.Port)}
			if found, ok := ask.ServicePort(s, p, asked); ok {
				ports = append(ports, found)
			}
		}
	}
	return ports
}

// leadsTo reports whether a Service leads to a pod.
func leadsTo(s *corev1.Service, p ask.Pod) bool {
	return s.Namespace == p.Namespace && len(s.Spec.Selector) > 0 &&
		labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels))
}

// rulePorts returns the first and the last port of each range that rules have.
func rulePorts(rules []policy.Rule) (ports []ask.Port) {
	for _, r := range rules {
		ports = append(ports, endsOfPorts(r.Ports)...)
	}
	return ports
}

// covers reports whether whoever is reached on a port is reached on another one, too: without a
// number it stands for all of its protocol, and without a protocol for everything.
func covers(a, b ask.Port) bool {
	return a.Same(b) || a.Protocol == ruleset.AnyProtocol || a.Number == 0 && a.Protocol == b.Protocol
}

// reachedName is the name of a port in the answer to what is reached.
func reachedName(p ask.Port) string {
	switch {
	case p.Protocol == ruleset.AnyProtocol:
		return EveryPort
	case p.Number == 0:
		return fmt.Sprintf("every %s port", p.Protocol)
	}
	return p.String()
}

// Part is pods of a workload that are reached on the same ports.
type Part struct {
	Pods      int      `json:"pods"`
	Ports     []string `json:"ports"`
	AllowedBy []string `json:"allowedBy"`
}

// reached is pods that are reached on the same ports.
type reached struct {
	ports []ask.Port // sorted; none of them covers another one
	pods  int
	by    []string
}

// addReached adds pods to those that are reached on the same ports.
func addReached(all []reached, one reached) []reached {
	for i, r := range all {
		if slices.EqualFunc(r.ports, one.ports, ask.Port.Same) {
			all[i].pods, all[i].by = r.pods+one.pods, joined(r.by, one.by)
			return all
		}
	}
	return append(all, one)
}

// addReached counts the pods of a row that are reached, in parts where that is on different ports.
func (r *Row) addReached(all []reached) {
	var ports []ask.Port
	for _, one := range all {
		ports = append(ports, one.ports...)
		r.Pods, r.AllowedBy = r.Pods+one.pods, joined(r.AllowedBy, one.by)
		if len(all) > 1 {
			r.Parts = append(r.Parts, Part{one.pods, reachedNames(one.ports), joined(nil, one.by)})
		}
	}
	r.Ports = append(r.Ports, reachedNames(sortedPorts(ports))...)
}

// reachedNames are the names of ports.
func reachedNames(ports []ask.Port) []string {
	names := []string{}
	for _, p := range ports {
		names = append(names, reachedName(p))
	}
	return names
}
