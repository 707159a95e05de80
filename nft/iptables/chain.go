package iptables

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// A chain of the program becomes one or more chains of the kernel. Those of one pod are reached by
// goto, so that a return in any of them lets the packet go on behind the dispatch:
//
//	egress/shop/web, part 0:  rules before the call, goto part 2
//	part 2, a copy of what is called:  accept: return · deny: drop · pass, end: goto part 1
//	part 1:  rules behind the call, denial

// renderer makes the kernel's chains of one family for the chains of a program.
type renderer struct {
	family  ruleset.Family
	content *content
	made    chains
	copies  map[string]setCopy // that the rules look up, by their names
	clash   error              // two copies have one name
}

// writing is the chains of the kernel that one chain of the program becomes.
type writing struct {
	*renderer
	top   ruleset.Chain // of the program
	parts int
	depth int
}

// pod makes the chains for a chain that a subject is dispatched to.
func (r *renderer) pod(c ruleset.Chain) {
	w := &writing{renderer: r, top: c}
	w.write(c, w.part(), "")
}

// part returns the name of the next chain of the kernel, which begins with a comment that says what
// it is.
func (w *writing) part() string {
	name, text := partChain(w.top.ID, w.parts), string(w.top.ID)
	if other, made := w.made[name]; made {
		w.clash = fmt.Errorf("the chains of %s and of %s have one name", other[0], text)
	}
	if w.parts > 0 {
		text += fmt.Sprintf(" part %d", w.parts)
	}
	w.made[name] = []string{comment(text)}
	w.parts++
	return name
}

// write writes the steps and the end of a chain to a chain of the kernel. after is the chain in
// which a packet goes on that c decides nothing about; empty: it is free.
func (w *writing) write(c ruleset.Chain, to, after string) {
	for i, s := range c.Steps {
		switch s := s.(type) {
		case ruleset.Rule:
			w.add(to, w.rules(s, c.Direction, after)...)
		case ruleset.Call:
			rest := c
			rest.Steps = c.Steps[i+1:]
			w.call(s.Chain, rest, to, after)
			return
		default: // Form promises nothing else, and Apply has refused it
			w.add(to, toDrop)
		}
	}
	w.add(to, w.end(c, after)...)
}

// call ends a chain with the copy of another one, and goes on in the rest of it behind that copy. What
// leads too deep is denied.
func (w *writing) call(id ruleset.ChainID, rest ruleset.Chain, to, after string) {
	called, known := w.content.chains[id]
	if w.depth++; w.depth > ruleset.MaxCalls || !known {
		w.add(to, w.denial("")...)
		return
	}
	behind, copied := w.part(), w.part()
	w.add(to, goTo(copied))
	w.write(called, copied, behind)
	w.depth--
	w.write(rest, behind, after)
}

// add puts rules at the end of a chain.
func (w *writing) add(chain string, rules ...string) {
	w.made[chain] = append(w.made[chain], rules...)
}

// onward is the target for what a chain decides nothing about.
func onward(after string) string {
	if after == "" {
		return toReturn
	}
	return goTo(after)
}

// rules returns a rule of the program as rules of the kernel: several for many ports, none where it
// speaks of the other family only. What denies logs a sample first.
func (w *writing) rules(r ruleset.Rule, d ruleset.Direction, after string) []string {
	peer, ours := w.peer(r, d)
	if !ours {
		return nil
	}
	reason := comment(string(ruleset.ReasonOf(r.Origins).Abbreviated(maxComment)))
	var rules []string
	for _, ports := range portMatches(r.Proto, r.Ports) {
		match := rule(peer.addr, protocol(r.Proto), ports, peer.set)
		switch r.Action {
		case ruleset.Accept:
			rules = append(rules, rule(match, reason, toReturn))
		case ruleset.Pass:
			rules = append(rules, rule(match, reason, onward(after)))
		default:
			rules = append(rules, rule(match, logged(logPrefix(w.top.ID))),
				rule(match, reason, toDrop))
		}
	}
	return rules
}

// peerMatch is how a rule compares its peer: by an address or by a look at a set.
type peerMatch struct{ addr, set string }

// peer returns how to compare the peer of a rule; false: it has none of this family. The set that
// is looked up is noted.
func (w *writing) peer(r ruleset.Rule, d ruleset.Direction) (m peerMatch, ours bool) {
	switch {
	case r.Peer.HasSet():
		if r.Peer.Set.Family != w.family {
			return m, false
		}
		properties := []string{peerEnd(d).word()}
		if r.Peer.Set.Kind == ruleset.AddressPorts {
			properties = append(properties, destination.word())
		}
		return peerMatch{set: inSet(w.copy(r.Peer.Set, roleOf(r.Action)), properties...)}, true
	case r.Peer.Prefix.IsValid():
		return peerMatch{addr: address(r.Peer.Prefix, peerEnd(d))},
			ruleset.FamilyOf(r.Peer.Prefix.Addr()) == w.family
	default:
		return m, true
	}
}

// copy notes that rules look up the copy of a set for a role, and returns its name.
func (r *renderer) copy(id ruleset.SetID, as role) string {
	of := setCopy{id, as}
	name := setName(id, as, r.content.fixedMembers(of))
	if other, noted := r.copies[name]; noted && other != of {
		r.clash = fmt.Errorf("the sets %s and %s have one name", other, of)
	}
	r.copies[name] = of
	return name
}

// fixedMembers is a text of the members of a copy, where these can never change.
func (c *content) fixedMembers(of setCopy) string {
	if of.role != passing {
		return ""
	}
	var b strings.Builder
	for _, e := range c.sets[of.id].elements.sorted() {
		b.WriteString(" " + string(e))
	}
	return b.String()
}

// end returns the rules for what no step of a chain decides about.
func (w *writing) end(c ruleset.Chain, after string) []string {
	switch c.End {
	case ruleset.EndAccept:
		return []string{toReturn}
	case ruleset.EndGoBack:
		return []string{onward(after)}
	case ruleset.EndAudit:
		return []string{logged(auditPrefix(w.top.ID)), rule(comment(decidedBy(w.top)), toReturn)}
	case ruleset.EndReject:
		return []string{logged(logPrefix(w.top.ID)),
			rule(comment(decidedBy(w.top)), goTo(rejectChain))}
	default:
		return w.denial(decidedBy(w.top))
	}
}

// denial logs a sample and drops.
func (w *writing) denial(why string) []string {
	return []string{logged(logPrefix(w.top.ID)), rule(comment(why), toDrop)}
}

// decidedBy names the policies that isolate the pod of a chain, or are audited: a policy of the pod's
// own namespace without that.
func decidedBy(c ruleset.Chain) string {
	if len(c.Policies) == 0 {
		return ""
	}
	namespace, _, _ := strings.Cut(c.Subject, "/")
	names := make([]string, len(c.Policies))
	for i, policy := range c.Policies {
		names[i] = strings.TrimPrefix(policy, namespace+"/")
	}
	return clip(c.PoliciesWord()+" "+strings.Join(names, ", "), maxComment)
}
