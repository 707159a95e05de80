package ask

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/ruleset"
)

// icmp is the word for packets without ports.
const icmp = "icmp"

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
// has it with another one only. Without a port it is the only one that the pods declare. The
// address of a Service means its pods.
func (c *Cluster) Target(text, namespace string) (Target, error) {
	name, port, proto, err := splitTarget(text)
	if err != nil {
		return Target{}, err
	}
	end, err := c.receiver(name, namespace)
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
	name, word, said := cutProtocol(text)
	at := portColon(name)
	if strings.EqualFold(word, icmp) {
		if at >= 0 {
			return "", "", 0, fmt.Errorf("%q: %s has no ports; expected TO/%[2]s", text, icmp)
		}
		return name, icmp, ruleset.AnyProtocol, nil
	}
	if said {
		if proto, err = ruleset.ParseProtocol(word); err != nil {
			return "", "", 0, fmt.Errorf("%q: protocol %q: expected tcp, udp, sctp or icmp", text, word)
		}
	}
	switch {
	case at < 0 && said:
		return "", "", 0, fmt.Errorf("%q: expected TO:PORT/%s", text, word)
	case at < 0:
		return name, "", proto, nil
	case name[at+1:] == "":
		return "", "", 0, fmt.Errorf("%q: expected a port behind the colon", text)
	}
	return name[:at], name[at+1:], proto, nil
}

// cutProtocol splits off the word behind the last slash if it is a protocol, or should be one:
// there is no slash behind the colon of a port otherwise.
func cutProtocol(text string) (name, word string, said bool) {
	i := strings.LastIndex(text, "/")
	if i < 0 {
		return text, "", false
	}
	_, err := ruleset.ParseProtocol(text[i+1:])
	if err == nil || strings.EqualFold(text[i+1:], icmp) || strings.Contains(text[:i], ":") {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

// portColon returns where the colon before a port is; -1: there is none.
func portColon(name string) int {
	// The colons of an IPv6 address are its own, unless it is in brackets.
	if strings.HasSuffix(name, "]") || strings.Count(name, ":") > 1 && !strings.Contains(name, "]:") {
		return -1
	}
	return strings.LastIndex(name, ":")
}

// portOf returns the port that is meant on a pod, or on an address where pod is nil.
func (e End) portOf(pod *Pod, text string, proto ruleset.Protocol) (Port, error) {
	if text == icmp {
		return Port{}, nil
	}
	number, isNumber := portNumber(text)
	switch {
	case isNumber && number == 0:
		return Port{}, noNumber(text)
	case e.Service != nil:
		return servicePort(e.Service, *pod, text, proto)
	case text == "":
		return onlyPort(pod)
	case isNumber:
		return Port{Protocol: orTCP(proto), Number: number}, nil
	case pod != nil:
		return namedPort(*pod, text, proto)
	}
	return Port{}, noNumber(text)
}

// portNumber reads a text of digits only; n is 0 if no port has the number.
func portNumber(text string) (n uint16, is bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, true
	}
	return uint16(number), true
}

// noNumber says that a text is no number that a port can have.
func noNumber(text string) error {
	return fmt.Errorf("port %q: expected a number from 1 to 65535", text)
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
		return Port{}, fmt.Errorf("the port is missing; it declares %s", portList(*pod))
	}
	return pod.Ports[0], nil
}

// preferred finds the first index whose protocol is the one that was said; where none was said,
// that of TCP or else the first one.
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
		return slices.IndexFunc(pod.named, func(p Port) bool {
			return p.Name == name && (proto == ruleset.AnyProtocol || proto == p.Protocol)
		})
	})
	if i >= 0 {
		return pod.named[i], nil
	}
	of := "port"
	if proto != ruleset.AnyProtocol {
		of = proto.String() + " port"
	}
	return Port{}, fmt.Errorf("no %s is named %q; expected a number, or one of: %s", of, name,
		portList(pod))
}

// portList writes the ports of a pod, each with all of its names.
func portList(pod Pod) string {
	if len(pod.Ports) == 0 {
		return "none is declared"
	}
	var texts []string
	for _, p := range pod.Ports {
		text := p.String()
		for _, n := range pod.named {
			if n.Same(p) && n.Name != "" {
				text += " " + n.Name
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// servicePort returns the port of a pod that a port of its Service leads to. A headless Service
// leads from every number to the same one.
func servicePort(s *corev1.Service, pod Pod, text string, proto ruleset.Protocol) (Port, error) {
	i := preferred(proto, func(proto ruleset.Protocol) int {
		return slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			named := text == "" && len(s.Spec.Ports) == 1 || text == p.Name ||
				text == strconv.Itoa(int(p.Port))
			return named && (proto == ruleset.AnyProtocol || proto == protocolOf(p))
		})
	})
	number, isNumber := portNumber(text)
	switch {
	case i < 0 && isNumber && Headless(s):
		return Port{Protocol: orTCP(proto), Number: number}, nil
	case i < 0:
		return Port{}, noServicePort(s, text, proto)
	// DNS tells the target port of a headless Service only to who asks for a port by its name
	// (SRV).
	case Headless(s) && (text == "" || isNumber):
		return Port{Protocol: protocolOf(s.Spec.Ports[i]), Number: uint16(s.Spec.Ports[i].Port)}, nil
	}
	return targetPort(s.Spec.Ports[i], pod)
}

// noServicePort says which ports a Service has instead.
func noServicePort(s *corev1.Service, text string, proto ruleset.Protocol) error {
	var have []string
	for _, p := range s.Spec.Ports {
		have = append(have, strings.TrimSpace(fmt.Sprintf("%s/%d %s", protocolOf(p), p.Port, p.Name)))
	}
	list := cmp.Or(strings.Join(have, ", "), "none")
	if text == "" {
		return fmt.Errorf("the port is missing; the Service has: %s", list)
	}
	if proto != ruleset.AnyProtocol {
		text += "/" + proto.String()
	}
	return fmt.Errorf("the Service has no port %s; it has: %s", text, list)
}

// Headless reports whether a Service has no address of its own: its name means the addresses of its
// pods, and nothing translates its ports.
func Headless(s *corev1.Service) bool {
	return s.Spec.ClusterIP == corev1.ClusterIPNone ||
		slices.Contains(s.Spec.ClusterIPs, corev1.ClusterIPNone)
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
