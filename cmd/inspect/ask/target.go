package ask

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/ruleset"
)

// Target is an end with a port on it.
type Target struct {
	End
	Port string // as an answer shows it: tcp/8080, or http where pods mean other numbers by it
	Asks []Ask
}

// Ask is one pod or address of a target, with the port to ask about.
type Ask struct {
	Point
	Port Port
}

// Target finds what TO:PORT[/PROTOCOL] or TO/icmp means: shop/api:8080, kube-system/dns:53/udp,
// shop/api:http, [fd00::1]:80. The protocol is tcp unless it is said, or unless what has the port
// has it with another one only. Without a port it is the only one that the pods declare.
func (c *Cluster) Target(text, namespace string) (Target, error) {
	name, port, proto, err := splitTarget(text)
	if err != nil {
		return Target{}, err
	}
	end, err := c.End(name, namespace)
	if err != nil {
		return Target{}, err
	}
	t := Target{End: end}
	for _, p := range end.Points() {
		found, err := end.portOf(p.Pod, port, proto)
		if err != nil {
			return Target{}, fmt.Errorf("%s: %w", end.Name, err)
		}
		t.Asks = append(t.Asks, Ask{p, found})
	}
	t.Port = t.Asks[0].Port.String()
	for _, a := range t.Asks {
		if !a.Port.Same(t.Asks[0].Port) {
			t.Port = port
		}
	}
	return t, nil
}

// splitTarget splits the name, the port and the protocol. AnyProtocol is one that was not said.
func splitTarget(text string) (name, port string, proto ruleset.Protocol, err error) {
	if rest, is := strings.CutSuffix(text, "/icmp"); is {
		return rest, "icmp", ruleset.AnyProtocol, nil
	}
	name, word := text, ""
	if i := strings.LastIndex(text, "/"); i >= 0 {
		if p, known := ruleset.ParseProtocol(text[i+1:]); known == nil {
			name, word, proto = text[:i], text[i+1:], p
		}
	}
	// The colons of an IPv6 address are its own, unless it is in brackets.
	at := strings.LastIndex(name, ":")
	if at < 0 || strings.HasSuffix(name, "]") ||
		strings.Count(name, ":") > 1 && !strings.Contains(name, "]:") {
		if word != "" {
			return "", "", 0, fmt.Errorf("%q: expected TO:PORT/%s", text, word)
		}
		return name, "", proto, nil
	}
	if name[at+1:] == "" {
		return "", "", 0, fmt.Errorf("%q: expected a port behind the colon", text)
	}
	return name[:at], name[at+1:], proto, nil
}

// portOf returns the port that is meant on a pod, or on an address where pod is nil.
func (e End) portOf(pod *Pod, text string, proto ruleset.Protocol) (Port, error) {
	if text == "icmp" {
		return Port{}, nil
	}
	if e.Service != nil {
		return servicePort(e.Service, *pod, text, proto)
	}
	if text == "" {
		return onlyPort(pod)
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		return Port{Protocol: orTCP(proto), Number: uint16(n)}, nil
	}
	if pod != nil {
		return namedPort(*pod, text, proto)
	}
	return Port{}, fmt.Errorf("port %q: expected a number from 1 to 65535", text)
}

// orTCP is tcp where no protocol was said.
func orTCP(p ruleset.Protocol) ruleset.Protocol {
	if p == ruleset.AnyProtocol {
		return ruleset.TCP
	}
	return p
}

// onlyPort returns the port of a pod that declares just one.
func onlyPort(pod *Pod) (Port, error) {
	if pod == nil || len(pod.Ports) == 0 {
		return Port{}, fmt.Errorf("the port is missing; expected TO:PORT, or TO/icmp")
	}
	if len(pod.Ports) > 1 {
		return Port{}, fmt.Errorf("the port is missing; it declares %s", portList(pod.Ports))
	}
	return pod.Ports[0], nil
}

// preferred finds the first index whose protocol is the one that was said; where none was said, that
// of TCP or else the first one.
func preferred(said ruleset.Protocol, index func(ruleset.Protocol) int) int {
	if said == ruleset.AnyProtocol {
		if i := index(ruleset.TCP); i >= 0 {
			return i
		}
	}
	return index(said)
}

// namedPort returns the port that a pod gives a name to.
func namedPort(pod Pod, name string, proto ruleset.Protocol) (Port, error) {
	i := preferred(proto, func(proto ruleset.Protocol) int {
		return slices.IndexFunc(pod.Ports, func(p Port) bool {
			return p.Name == name && (proto == ruleset.AnyProtocol || proto == p.Protocol)
		})
	})
	if i >= 0 {
		return pod.Ports[i], nil
	}
	return Port{}, fmt.Errorf("no port is named %q; expected a number, or one of: %s", name,
		portList(pod.Ports))
}

// portList writes ports with their names.
func portList(ports []Port) string {
	if len(ports) == 0 {
		return "none is declared"
	}
	var texts []string
	for _, p := range ports {
		texts = append(texts, strings.TrimSpace(p.String()+" "+p.Name))
	}
	return strings.Join(texts, ", ")
}

// servicePort returns the port of a pod that a port of its Service leads to.
func servicePort(s *corev1.Service, pod Pod, text string, proto ruleset.Protocol) (Port, error) {
	i := preferred(proto, func(proto ruleset.Protocol) int {
		return slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			named := text == "" && len(s.Spec.Ports) == 1 || text == p.Name ||
				text == strconv.Itoa(int(p.Port))
			return named && (proto == ruleset.AnyProtocol || proto == protocolOf(p))
		})
	})
	if i < 0 {
		var have []string
		for _, p := range s.Spec.Ports {
			have = append(have, strings.TrimSpace(fmt.Sprintf("%d %s", p.Port, p.Name)))
		}
		return Port{}, fmt.Errorf("the Service has no port %q; it has: %s", text,
			strings.Join(have, ", "))
	}
	return targetPort(s.Spec.Ports[i], pod)
}

// protocolOf returns that of a port of a Service: TCP where it says none.
func protocolOf(p corev1.ServicePort) ruleset.Protocol {
	proto, _ := ruleset.ParseProtocol(string(p.Protocol))
	return orTCP(proto)
}

// targetPort returns the port of a pod behind a port of a Service.
func targetPort(p corev1.ServicePort, pod Pod) (Port, error) {
	proto := protocolOf(p)
	switch {
	case p.TargetPort.Type == intstr.String:
		return namedPort(pod, p.TargetPort.StrVal, proto)
	case p.TargetPort.IntVal > 0 && p.TargetPort.IntVal <= 65535:
		return Port{Protocol: proto, Number: uint16(p.TargetPort.IntVal)}, nil
	default:
		return Port{Protocol: proto, Number: uint16(p.Port)}, nil
	}
}

// ServicePort returns the port of a pod that a port of its Service leads to.
func ServicePort(s *corev1.Service, pod Pod, port Port) (Port, bool) {
	found, err := servicePort(s, pod, strconv.Itoa(int(port.Number)), port.Protocol)
	return found, err == nil
}
