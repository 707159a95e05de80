package ruleset

import "fmt"

// Denial is how a packet is denied that no policy allows.
type Denial uint8

// The denials. The zero value is the silent one.
const (
	Drop   Denial = iota
	Reject        // TCP reset, else ICMP administratively prohibited
)

// String is a word for the denial; ParseDenial reads it.
func (d Denial) String() string { return [...]string{"drop", "reject"}[d] }

// ParseDenial reads drop or reject.
func ParseDenial(s string) (Denial, error) {
	for _, d := range []Denial{Drop, Reject} {
		if s == d.String() {
			return d, nil
		}
	}
	return Drop, fmt.Errorf("denial %q: expected drop or reject", s)
}

// End returns the end of a chain that denies what no step of it decides about.
func (d Denial) End() End { return [...]End{Drop: EndDrop, Reject: EndReject}[d] }

// End is what a chain does with a packet that no step of it decides about. The zero value denies.
type End uint8

// The ends.
const (
	EndDrop   End = iota
	EndReject     // TCP reset, else ICMP administratively prohibited
	EndGoBack     // nothing: the chain that led here goes on; a pod's own chain leaves it free
	EndAccept     // what the action Accept does
	EndAudit      // the same, counted and logged: policies that are audited would deny it
)

// endWords are the words for the ends.
var endWords = [...]string{"drop", "reject", "go back", "allow", "audit"}

// String is a word for the end.
func (e End) String() string { return endWords[e] }

// MarshalText returns String.
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads String.
func (e *End) UnmarshalText(text []byte) error { return parseWord(e, endWords[:], text) }

// actions returns what an end does to a packet, as the actions that do the same.
func (e End) actions() Actions {
	return [...]Actions{
		EndDrop: ActionsOf(Deny), EndReject: ActionsOf(Deny), EndGoBack: 0,
		EndAccept: ActionsOf(Accept), EndAudit: ActionsOf(Accept),
	}[e]
}
