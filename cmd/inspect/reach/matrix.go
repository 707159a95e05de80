package reach

import (
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
)

// Matrix is who reaches whom, by workload.
type Matrix struct {
	Workloads []string `json:"workloads"` // that were asked about
	Host      []string `json:"hostNetwork"`
	Targets   []Served `json:"targets"`
}

// Served is a port of a workload with all who reach it.
type Served struct {
	To   string   `json:"to"`
	Port string   `json:"port"` // tcp/8080, or other: packets without a port, such as ICMP
	From []Sender `json:"from"`

	// OwnPairs is how many pairs of its own pods there are; a workload of one pod has none, and is
	// not missing among those who reach it.
	OwnPairs int `json:"ownPairs"`
}

// Sender is a workload that reaches a port, by pairs of pods.
type Sender struct {
	Workload string `json:"workload"`
	Pairs    int    `json:"pairs"` // of a sending and a receiving pod that are allowed
	Of       int    `json:"of"`    // pairs that there are
}

// Limits say what of a matrix is asked for. The zero value is all of it.
type Limits struct {
	Namespace string   // of the targets
	Port      ask.Port // the only one to ask about
}

// Workloads says for every workload and every port that it declares which workloads reach it. Those
// without a declared port are asked about the ports that rules and Services name, and without these
// about packets without a port. Pods on their node's network are left out: no policy selects them.
func Workloads(c *ask.Cluster, limits Limits) Matrix {
	m := Matrix{Workloads: []string{}, Host: []string{}, Targets: []Served{}}
	var all []workload
	v := newVerdicts(c)
	for _, w := range workloads(c, c.Pods) {
		if w.host {
			m.Host = append(m.Host, w.name)
			continue
		}
		m.Workloads, all = append(m.Workloads, w.name), append(all, w)
	}
	for _, to := range all {
		// The senders are not limited: who comes from elsewhere is what one wants to know.
		if limits.Namespace != "" && to.key.Namespace != limits.Namespace {
			continue
		}
		for _, port := range to.asked(c, limits.Port) {
			s := Served{To: to.name, Port: portName(port), From: []Sender{}}
			for _, from := range all {
				sender := v.senders(from, to, port, limits.Port.Number != 0)
				if sender.Pairs > 0 {
					s.From = append(s.From, sender)
				}
				if from.key == to.key {
					s.OwnPairs = sender.Of
				}
			}
			m.Targets = append(m.Targets, s)
		}
	}
	return m
}

// asked returns the ports of a workload to ask about.
func (w workload) asked(c *ask.Cluster, only ask.Port) []ask.Port {
	if only.Number != 0 {
		return []ask.Port{only}
	}
	ports := w.ports()
	if len(ports) == 0 {
		for _, g := range w.groups {
			ports = append(ports, portsToAsk(c, g.Rep())...)
		}
		ports = sortedPorts(ports)
	}
	if len(ports) == 0 {
		return []ask.Port{{}}
	}
	return ports
}

// senders counts the pairs of pods of two workloads that a port is allowed between; without every,
// of those that can have the port.
func (v *verdicts) senders(from, to workload, port ask.Port, every bool) Sender {
	s := Sender{Workload: from.name}
	for _, a := range from.groups {
		for _, b := range to.groups {
			if !every && !serves(b, port) {
				continue
			}
			is, ok := v.allowed(a, b, port)
			if !ok {
				continue // there is no pair of a pod with itself
			}
			s.Of += countPairs(a, b)
			if is {
				s.Pairs += countPairs(a, b)
			}
		}
	}
	return s
}

// serves reports whether the pods of a group can have a port: they declare it, or declare none.
func serves(g ask.Group, port ask.Port) bool {
	ports := g.Rep().Ports
	return len(ports) == 0 || port.Number == 0 || slices.ContainsFunc(ports, port.Same)
}
