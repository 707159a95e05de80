package reach

import (
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// flowsBetween returns the flows of one pair of pods of two groups; two different pods of one group.
// ok is false if there is no such pair.
func flowsBetween(from, to ask.Group, port ask.Port) (flows []ruleset.Flow, ok bool) {
	a, b := from.Rep(), to.Rep()
	if a.Key == b.Key {
		if len(to.Pods) < 2 {
			return nil, false
		}
		b = to.Pods[1]
	}
	return ask.Flows(a.Addrs, b.Addrs, port), true
}

// countPairs counts the pairs of pods of two groups, none of a pod with itself.
func countPairs(from, to ask.Group) int {
	n := len(from.Pods) * len(to.Pods)
	if from.Rep().Key == to.Rep().Key {
		n -= len(from.Pods)
	}
	return n
}

// Other stands for packets without a port, such as ICMP: a rule without ports lets them through.
const Other = "other"

// portName is the name of a port in a list of ports.
func portName(p ask.Port) string {
	switch {
	case p.Protocol == ruleset.AnyProtocol:
		return Other
	case p.Number == 0:
		return p.Protocol.String() + "/" + Other
	}
	return p.String()
}
