package reach

import (
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// verdicts asks about pairs of groups, and about those that are decided alike, of whatever workloads,
// only once.
type verdicts struct {
	cluster *ask.Cluster
	kinds   map[*ask.Pod]kinds // of groups, by their first pods
	numbers map[string]int32   // of the texts that say what is alike
	known   map[question]bool
}

// kinds are the numbers of what a group is: as a subject, by direction, and as a peer.
type kinds struct {
	subject [2]int32
	peer    int32
}

// question is whether a direction lets a port through between two kinds.
type question struct {
	subject, peer int32
	port          uint16
	protocol      ruleset.Protocol
	direction     ruleset.Direction
}

// newVerdicts knows none yet.
func newVerdicts(c *ask.Cluster) *verdicts {
	return &verdicts{cluster: c, kinds: map[*ask.Pod]kinds{}, numbers: map[string]int32{},
		known: map[question]bool{}}
}

// allowed reports whether the pods of a group reach a port of those of another one, in every IP family
// that both have. ok is false if there is no pair of two pods.
func (v *verdicts) allowed(from, to ask.Group, port ask.Port) (is, ok bool) {
	if len(to.Pods) < 2 && from.Pods[0].Key == to.Pods[0].Key {
		return false, false
	}
	sender, receiver := v.kindsOf(from), v.kindsOf(to)
	ends := [2]kinds{ruleset.Ingress: receiver, ruleset.Egress: sender}
	for _, d := range ruleset.Directions {
		q := question{ends[d].subject[d], ends[1-d].peer, port.Number, port.Protocol, d}
		lets, known := v.known[q]
		if !known {
			flows, _ := flowsBetween(from, to, port)
			lets = v.lets(d, flows)
			v.known[q] = lets
		}
		if !lets {
			return false, true
		}
	}
	return true, true
}

// lets reports whether there is a flow, and a direction denies none.
func (v *verdicts) lets(d ruleset.Direction, flows []ruleset.Flow) bool {
	for _, f := range flows {
		if v.cluster.Decide(d, f).Denied() {
			return false
		}
	}
	return len(flows) > 0
}

// kindsOf finds out what a group is.
func (v *verdicts) kindsOf(g ask.Group) kinds {
	at := &g.Pods[0]
	k, known := v.kinds[at]
	if !known {
		p := g.Rep()
		k.peer = v.number(v.cluster.PeerKey(p))
		for _, d := range ruleset.Directions {
			k.subject[d] = v.number(v.cluster.SubjectKey(p, d))
		}
		v.kinds[at] = k
	}
	return k
}

// number returns the number of a text.
func (v *verdicts) number(text string) int32 {
	n, known := v.numbers[text]
	if !known {
		n = int32(len(v.numbers))
		v.numbers[text] = n
	}
	return n
}
