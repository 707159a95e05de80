package ruleset

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Chain is everything that decides about the packets of one pod in one direction: steps in the
// order in which a packet takes them, and an end for what none of them decides about.
//
// Where many policies meet in one pod, ports are looked up in a PortMap, or PortRanges, which
// lead to chains of another kind: those say who the peers are, have no ports and no subject, and
// end with EndGoBack. Pods whose packets are decided about alike share then all but the rule by
// which each may reach itself: in a chain that has no subject either, and ends with EndGoBack, too.
type Chain struct {
	ID        ChainID
	Direction Direction
	Subject   string // namespace/name of the pod
	Steps     Steps
	End       End
	// namespace/name, sorted: of those that isolate the subject or, with EndAudit, are audited
	Policies []string
}

// Rules yields the steps of a chain that are rules, in their order.
func (c Chain) Rules() iter.Seq[Rule] { return stepsOf[Rule](c.Steps) }

// Lookups yields the steps of a chain that look ports up, in their order.
func (c Chain) Lookups() iter.Seq[Lookup] { return stepsOf[Lookup](c.Steps) }

// Calls yields the steps of a chain that call others, in their order.
func (c Chain) Calls() iter.Seq[Call] { return stepsOf[Call](c.Steps) }

// stepsOf yields the steps of one kind.
func stepsOf[T Step](list Steps) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, s := range list {
			if one, is := s.(T); is && !yield(one) {
				return
			}
		}
	}
}

// LooksUp reports whether a chain looks ports up.
func (c Chain) LooksUp() bool {
	for range c.Lookups() {
		return true
	}
	return false
}

// Sets yields the sets that a chain looks something up in: peers and ports.
func (c Chain) Sets() iter.Seq[SetID] {
	return func(yield func(SetID) bool) {
		for _, s := range c.Steps {
			rule, _ := s.(Rule)
			lookup, looks := s.(Lookup)
			if rule.Peer.HasSet() && !yield(rule.Peer.Set) || looks && !yield(lookup.Set) {
				return
			}
		}
	}
}

// Actions returns what the rules and the end of a chain can do to a packet. What the chains that it
// leads to do is not in it.
func (c Chain) Actions() Actions {
	all := c.End.actions()
	for r := range c.Rules() {
		all = all.Union(ActionsOf(r.Action))
	}
	return all
}

// Equal reports whether two chains are the same to a backend: their digests are.
func (c Chain) Equal(o Chain) bool {
	return c.ID == o.ID && c.Direction == o.Direction && c.End == o.End &&
		slices.Equal(c.Policies, o.Policies) && slices.EqualFunc(c.Steps, o.Steps, sameStep)
}

// Digest identifies all that a backend writes into the kernel for c.
func (c Chain) Digest() string {
	var b strings.Builder
	c.text(&b)
	return Digest(b.String())
}

// PoliciesWord says what the policies of a chain do to its subject, before their names.
func (c Chain) PoliciesWord() string {
	if c.End == EndAudit {
		return "audited:"
	}
	return "isolated by"
}

// text writes the canonical text of a chain, of which its digest is made.
func (c Chain) text(b *strings.Builder) {
	fmt.Fprintf(b, "chain %s\n", c.ID)
	c.Steps.text(b, c.Direction)
	fmt.Fprintf(b, "  %s", c.End)
	if len(c.Policies) > 0 {
		fmt.Fprintf(b, "  # %s %s", c.PoliciesWord(), strings.Join(c.Policies, ", "))
	}
	b.WriteByte('\n')
}
