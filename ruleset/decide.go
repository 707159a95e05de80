package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Flow is the first packet of a connection as the forward hook sees it: after the destination was
// translated, before the source is. Proto AnyProtocol stands for one without ports, ICMP for
// instance.
type Flow struct {
	From, To netip.Addr
	Proto    Protocol
	Port     uint16 // the destination's; 0 without ports
}

// String is the form in traces and logs: 10.0.0.1 > 10.0.0.2 tcp 80, or the addresses alone.
func (f Flow) String() string {
	if f.Proto == AnyProtocol {
		return fmt.Sprintf("%s > %s", f.From, f.To)
	}
	return fmt.Sprintf("%s > %s %s %d", f.From, f.To, f.Proto, f.Port)
}

// Verdict is the answer for a flow. The zero value denies.
type Verdict uint8

// The verdicts.
const (
	Denied Verdict = iota
	Allowed
)

// String is deny or allow.
func (v Verdict) String() string { return [...]string{"deny", "allow"}[v] }

// Decision is the answer in one direction, with its reason.
type Decision struct {
	Direction Direction
	Verdict   Verdict
	Chain     ChainID  // the chain that decided; empty: the address is not isolated, or Own
	Own       bool     // between a pod and its own node
	Unknown   bool     // the address is one that a strict program denies
	Tunnel    bool     // the flow ends where a node unpacks tunnels
	Audited   bool     // allowed, counted and logged: policies that are audited would deny it
	Reason    []Origin // of the rule that decided, or of those of which one did; none: none did
}

// String says in one line what was decided and why.
func (d Decision) String() string {
	switch {
	case d.Own:
		return fmt.Sprintf("%s allow: the pod's own node", d.Direction)
	case d.Tunnel:
		return fmt.Sprintf("%s deny: a node unpacks tunnels there", d.Direction)
	case d.Unknown:
		return fmt.Sprintf("%s deny: no known pod of this node has the address", d.Direction)
	case d.Chain == "":
		return fmt.Sprintf("%s allow: not isolated", d.Direction)
	case d.Audited:
		return fmt.Sprintf("%s allow: audited, no rule in %s", d.Direction, d.Chain)
	case len(d.Reason) > 0:
		return fmt.Sprintf("%s %s: %s", d.Direction, d.Verdict, ReasonOf(d.Reason))
	case d.Verdict == Allowed:
		return fmt.Sprintf("%s allow: nothing in %s denies", d.Direction, d.Chain)
	default:
		return fmt.Sprintf("%s deny: no rule in %s", d.Direction, d.Chain)
	}
}

// Trace is the decisions about a flow in the order in which the kernel takes them: egress, then
// ingress.
type Trace []Decision

// Decide gives the answer that the kernel gives, with its reason. It speaks for this node alone:
// a pod of another node is free here.
func (p *Program) Decide(f Flow) (Verdict, Trace) {
	var trace Trace
	for _, d := range []Direction{Egress, Ingress} {
		decision := p.decide(d, f)
		trace = append(trace, decision)
		if decision.Verdict == Denied {
			return Denied, trace
		}
	}
	return Allowed, trace
}

// DecideIn gives the answer in one direction alone, whatever the other one says.
func (p *Program) DecideIn(d Direction, f Flow) Decision { return p.decide(d, f) }

// decide is DecideIn. A subject that no policy isolates is free, unless a strict
// program does not know it; so is what a pod and its own node send each other. What a pod sends to
// where another node unpacks tunnels is denied before all that.
func (p *Program) decide(d Direction, f Flow) Decision {
	subject, peer := d.Ends(f)
	id, isolated := p.dispatch(d, subject)
	unknown := p.unknown(subject)
	switch {
	case d == Egress && !slices.Contains(p.Node, peer) && p.tunnelled(f):
		return Decision{Direction: d, Tunnel: true}
	case !isolated && !unknown:
		return Decision{Direction: d, Verdict: Allowed}
	case slices.Contains(p.Node, peer):
		return Decision{Direction: d, Verdict: Allowed, Own: true}
	case unknown:
		return Decision{Direction: d, Verdict: Denied, Unknown: true}
	}
	return p.decideBy(d, id, peer, f)
}

// decideBy asks a subject's chain, and the chains that it leads to. What these decide nothing about
// is free.
func (p *Program) decideBy(d Direction, id ChainID, peer netip.Addr, f Flow) Decision {
	o := p.take(id, peer, f, 0)
	if !o.decided {
		o.verdict = Allowed
	}
	return Decision{Direction: d, Verdict: o.verdict, Chain: id, Audited: o.audited,
		Reason: o.reason}
}

// outcome is what a chain makes of a flow. The zero value has decided nothing.
type outcome struct {
	decided bool
	verdict Verdict
	audited bool // it is allowed by an end that audits
	reason  []Origin
}

// MaxCalls is how deep chains may lead to each other; a kernel refuses more (NFT_JUMP_STACK_SIZE),
// and chains that lead in circles.
const MaxCalls = 16

// take has a flow take the steps of a chain that so many others have led to, until one decides. What
// leads too deep is denied.
func (p *Program) take(id ChainID, peer netip.Addr, f Flow, depth int) outcome {
	if depth > MaxCalls {
		return outcome{decided: true}
	}
	c := p.chain(id)
	for _, s := range c.Steps {
		switch s := s.(type) {
		case Rule:
			if p.matches(s, peer, f) {
				return s.outcome()
			}
		case Lookup:
			if m, leads := p.set(s.Set).jump(f.Proto, f.Port); leads {
				if o := p.take(m.Chain, peer, f, depth+1); o.decided {
					o.reason = m.Reason.Origins()
					return o
				}
			}
		case Call:
			if o := p.take(s.Chain, peer, f, depth+1); o.decided {
				return o
			}
		}
	}
	return c.End.outcome()
}

// outcome is what a rule makes of a flow that it matches.
func (r Rule) outcome() outcome {
	switch r.Action {
	case Accept:
		return outcome{decided: true, verdict: Allowed, reason: r.Origins}
	case Pass:
		return outcome{}
	default:
		return outcome{decided: true, verdict: Denied, reason: r.Origins}
	}
}

// outcome is what an end makes of a flow.
func (e End) outcome() outcome {
	switch e {
	case EndAccept:
		return outcome{decided: true, verdict: Allowed}
	case EndAudit:
		return outcome{decided: true, verdict: Allowed, audited: true}
	case EndGoBack:
		return outcome{}
	default:
		return outcome{decided: true, verdict: Denied}
	}
}

// dispatch finds the chain of an address in a direction; false: it is not isolated there.
func (p *Program) dispatch(d Direction, addr netip.Addr) (ChainID, bool) {
	at, found := slices.BinarySearchFunc(p.Dispatch, Dispatch{Direction: d, Addr: addr},
		func(a, b Dispatch) int {
			return cmp.Or(cmp.Compare(a.Direction, b.Direction), a.Addr.Compare(b.Addr))
		})
	if !found {
		return "", false
	}
	return p.Dispatch[at].Chain, true
}

// matches reports whether a rule matches a flow: by its peer, its protocol and its port.
func (p *Program) matches(r Rule, peer netip.Addr, f Flow) bool {
	return p.isPeer(r.Peer, peer, f) && r.Carries(f)
}

// isPeer reports whether an address belongs to a rule's peer. A set of addresses with ports has it
// only together with the protocol and port of the flow.
func (p *Program) isPeer(want Peer, peer netip.Addr, f Flow) bool {
	switch {
	case want.HasSet():
		return p.set(want.Set).holds(peer, f.Proto, f.Port)
	case want.Prefix.IsValid():
		return want.Prefix.Contains(peer)
	default:
		return true
	}
}

// Carries reports whether the protocol and port of f are those of the rule.
func (r Rule) Carries(f Flow) bool {
	if r.Proto == AnyProtocol {
		return true
	}
	inPorts := func(ports PortRange) bool { return ports.Contains(f.Port) }
	return r.Proto == f.Proto && (len(r.Ports) == 0 || slices.ContainsFunc(r.Ports, inPorts))
}
