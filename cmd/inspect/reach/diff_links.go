package reach

import (
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// linkQuestion is what is asked of both states.
type linkQuestion struct {
	from, to    workload
	port        ask.Port
	named       bool // a rule names the port: pods that declare others are asked, too
	cuts, opens bool // what is asked for
}

// addLinks adds the ports between two workloads that are cut or opened.
func (d *Diff) addLinks(s states, from, to workload) {
	if !s.anyCanChange(ruleset.Egress, from) && !s.anyCanChange(ruleset.Ingress, to) {
		return
	}
	cuts, opens := len(d.Cuts), len(d.Opens)
	for _, port := range s.portsOf(to) {
		named := slices.ContainsFunc(s.ports, port.Same)
		d.addLink(s, linkQuestion{from: from, to: to, port: port, named: named, cuts: true, opens: true})
	}
	// What changes can be confined to ports that only policies name which stay as they are.
	cut, opened := len(d.Cuts) > cuts, len(d.Opens) > opens
	if cut && opened {
		return
	}
	for _, port := range s.morePorts(from, to) {
		d.addLink(s, linkQuestion{from: from, to: to, port: port, named: true, cuts: !cut, opens: !opened})
	}
}

// addLink adds a port that is cut or opened.
func (d *Diff) addLink(s states, q linkQuestion) {
	var cut, opened change
	s.eachPair(q, func(flows []ruleset.Flow, pairs int) {
		was, is := lets(s.before, flows), lets(s.after, flows)
		cut.add(was, is, pairs)
		opened.add(is, was, pairs)
	})
	for _, from := range q.from.names() {
		for _, to := range q.to.names() {
			link := Link{From: from, To: to, Port: portName(q.port)}
			if q.cuts && cut.pairs > 0 {
				d.Cuts = append(d.Cuts, cut.of(link))
			}
			if q.opens && opened.pairs > 0 {
				d.Opens = append(d.Opens, opened.of(link))
			}
		}
	}
}

// change is between how many pairs flows are cut, or opened.
type change struct {
	pairs    int
	has, can map[ruleset.Family]bool // families in which they are, of those that there are
}

// add counts pairs where a family was let through that is not any more.
func (c *change) add(was, is map[ruleset.Family]bool, pairs int) {
	if c.can == nil {
		c.has, c.can = map[ruleset.Family]bool{}, map[ruleset.Family]bool{}
	}
	changes := false
	for f := range was {
		c.can[f] = true
		if was[f] && !is[f] {
			c.has[f], changes = true, true
		}
	}
	if changes {
		c.pairs += pairs
	}
}

// of completes a link.
func (c *change) of(l Link) Link {
	l.Pairs = c.pairs
	for f := range c.has {
		if len(c.has) < len(c.can) {
			l.Family = f.String()
		}
	}
	return l
}

// lets says of each family of some flows whether all of them get all the way.
func lets(c *ask.Cluster, flows []ruleset.Flow) map[ruleset.Family]bool {
	all := map[ruleset.Family]bool{}
	for _, f := range flows {
		family := ruleset.FamilyOf(f.From)
		before, known := all[family]
		all[family] = c.Allowed(f) && (before || !known)
	}
	return all
}

// eachPair hands over the flows between a pair of pods, or of a pod and what is outside, and for
// how many pairs they stand. Pairs about which no changed policy decides are left out.
func (s states) eachPair(q linkQuestion, each func(flows []ruleset.Flow, pairs int)) {
	switch {
	case len(q.from.groups) == 0:
		for _, b := range q.to.groups {
			pods := q.from.others(b)
			if len(pods) > 0 && s.canChange(ruleset.Ingress, b) && q.serves(b) {
				each(ask.Flows(q.from.addrs, pods[0].Addrs, q.port), len(pods))
			}
		}
	case len(q.to.groups) == 0:
		for _, a := range q.from.groups {
			pods := q.to.others(a)
			if len(pods) > 0 && s.canChange(ruleset.Egress, a) {
				each(ask.Flows(pods[0].Addrs, q.to.addrs, q.port), len(pods))
			}
		}
	default:
		for _, a := range q.from.groups {
			for _, b := range q.to.groups {
				can := s.canChange(ruleset.Egress, a) || s.canChange(ruleset.Ingress, b)
				if !can || !q.serves(b) {
					continue
				}
				if flows, ok := flowsBetween(a, b, q.port); ok {
					each(flows, countPairs(a, b))
				}
			}
		}
	}
}

// serves reports whether the pods of a group are asked about the port: they can have it, or a rule
// names it.
func (q linkQuestion) serves(g ask.Group) bool { return q.named || serves(g, q.port) }
