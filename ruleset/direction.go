package ruleset

import (
	"fmt"
	"net/netip"
)

// Direction is one of the two halves of a decision: Ingress is what a subject receives, Egress what
// it sends.
type Direction uint8

// The directions, as in NetworkPolicySpec.policyTypes.
const (
	Ingress Direction = iota
	Egress
)

// Directions lists both, for loops.
var Directions = [...]Direction{Ingress, Egress}

// String is ingress or egress.
func (d Direction) String() string { return [...]string{"ingress", "egress"}[d] }

// ParseDirection reads ingress or egress.
func ParseDirection(s string) (Direction, error) {
	for _, d := range Directions {
		if s == d.String() {
			return d, nil
		}
	}
	return Ingress, fmt.Errorf("direction %q: expected ingress or egress", s)
}

// peerWord says where the peer stands, as seen from the subject.
func (d Direction) peerWord() string { return [...]string{"from", "to"}[d] }

// Ends returns which address of a flow is the subject's and which the peer's.
func (d Direction) Ends(f Flow) (subject, peer netip.Addr) {
	if d == Ingress {
		return f.To, f.From
	}
	return f.From, f.To
}
