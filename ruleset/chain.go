package ruleset

import (
	"fmt"
	"slices"
	"strings"
)

// Denial is what happens to a packet that no rule of a chain allows.
type Denial uint8

// The denials. The zero value is the silent one.
const (
	Drop   Denial = iota
	Reject        // TCP reset, else ICMP administratively prohibited
	GoBack        // nothing yet: the chain that led here goes on
)

// String is a word for the denial; ParseDenial reads those of Drop and Reject.
func (d Denial) String() string { return [...]string{"drop", "reject", "go back"}[d] }

// ParseDenial reads drop or reject.
func ParseDenial(s string) (Denial, error) {
	for _, d := range []Denial{Drop, Reject} {
		if s == d.String() {
			return d, nil
		}
	}
	return Drop, fmt.Errorf("denial %q: expected drop or reject", s)
}

// Chain is everything that one pod may do in one direction. Its end is the denial.
//
// Where many policies meet in one pod, ports are looked up in a PortMap, or PortRanges, which
// lead to chains of another kind: those say who the peers are, have no ports and no subject, and
// end with GoBack. Pods that are judged alike share then all but the rule by which each may reach
// itself: in a chain that has no subject either, and ends with GoBack, too.
type Chain struct {
	ID        ChainID
	Direction Direction
	Subject   string  // namespace/name of the pod
	Rules     []Rule  // in the order of their origins; each one allows
	ByPort    bool    // what no rule allows is looked up in PortsOf(ID)
	Spans     []SetID // and then in these PortRanges, one a protocol at most
	Onward    ChainID // what no rule allows may still be allowed there; empty: nowhere
	Denial    Denial
	Policies  []string // namespace/name of those that isolate the subject, sorted
}

// Equal reports whether two chains are the same to a backend: their digests are.
func (c Chain) Equal(o Chain) bool {
	return c.ID == o.ID && c.Direction == o.Direction && c.ByPort == o.ByPort &&
		slices.Equal(c.Spans, o.Spans) && c.Onward == o.Onward && c.Denial == o.Denial &&
		slices.Equal(c.Policies, o.Policies) &&
		slices.EqualFunc(c.Rules, o.Rules, func(a, b Rule) bool {
			return a.Same(b) && slices.Equal(a.Origins, b.Origins)
		})
}

// Digest identifies all that a backend writes into the kernel for c.
func (c Chain) Digest() string {
	var b strings.Builder
	c.text(&b)
	return Digest(b.String())
}

// text writes the canonical text of a chain, of which its digest is made.
func (c Chain) text(b *strings.Builder) {
	fmt.Fprintf(b, "chain %s\n", c.ID)
	for _, r := range c.Rules {
		fmt.Fprintf(b, "  allow %s %s\n", c.Direction.peerWord(), r)
	}
	if c.ByPort {
		fmt.Fprintf(b, "  by port @%s\n", PortsOf(c.ID))
	}
	for _, id := range c.Spans {
		fmt.Fprintf(b, "  by ports @%s\n", id)
	}
	if c.Onward != "" {
		fmt.Fprintf(b, "  onward to %s\n", c.Onward)
	}
	fmt.Fprintf(b, "  %s", c.Denial)
	if len(c.Policies) > 0 {
		fmt.Fprintf(b, "  # isolated by %s", strings.Join(c.Policies, ", "))
	}
	b.WriteByte('\n')
}
