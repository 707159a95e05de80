package ruleset

import "net/netip"

// Direction is the half of the judgement: Ingress is what a subject receives, Egress what it sends.
type Direction uint8

// The directions, as in NetworkPolicySpec.policyTypes.
const (
	Ingress Direction = iota
	Egress
)

// Directions lists both, for loops.
var Directions = [...]Direction{Ingress, Egress}

func (d Direction) String() string { return [...]string{"ingress", "egress"}[d] }

// peerWord says where the peer stands, as seen from the subject.
func (d Direction) peerWord() string { return [...]string{"from", "to"}[d] }

// Ends returns which address of a flow is the subject's and which the peer's.
func (d Direction) Ends(f Flow) (subject, peer netip.Addr) {
	if d == Ingress {
		return f.To, f.From
	}
	return f.From, f.To
}
