package ruleset

import "fmt"

// Logged is a packet that a chain has denied and logged, or let through where audited policies would
// deny it: what the packet says, and which chain it was. The chain is certain; addresses are what the
// packet claims.
type Logged struct {
	Chain    string // as the log names it; see a backend's LogName
	Flow            // Proto is AnyProtocol for ICMP only, and Port 0 where a packet shows none
	FromPort uint16
	Audited  bool // it was let through
	ICMP     bool
	Type     uint8 // of ICMP
}

// PortText is tcp/8080, icmp/8, or proto-47.
func (l Logged) PortText() string {
	switch {
	case l.ICMP && l.To.Is4():
		return fmt.Sprintf("icmp/%d", l.Type)
	case l.ICMP:
		return fmt.Sprintf("icmpv6/%d", l.Type)
	case l.Proto.HasPorts() && l.Port > 0:
		return fmt.Sprintf("%s/%d", l.Proto, l.Port)
	default: // a later fragment has no port
		return l.Proto.String()
	}
}

// How many packets the rules of one chain log: so many a second, and at most so many at once.
const (
	LogRate  = 10
	LogBurst = 20
)

// Counted is which packets of a pod's chain are counted: those that it denies, or those that it lets
// through where audited policies would deny them.
type Counted struct {
	Chain   ChainID
	Audited bool // they were let through
}

// DenialCount is how many of these packets one rule has counted.
type DenialCount struct {
	Counted
	// Rule is a number that no other rule of the table ever has. A backend whose kernel numbers no
	// rules gives the same one to what it can't tell apart.
	Rule    uint64
	Packets uint64
}

// SumDenials adds up the counts of each chain: what it has denied, and what an audit let through.
func SumDenials(list []DenialCount) (denied, audited map[ChainID]uint64) {
	denied, audited = map[ChainID]uint64{}, map[ChainID]uint64{}
	for _, c := range list {
		if c.Audited {
			audited[c.Chain] += c.Packets
		} else {
			denied[c.Chain] += c.Packets
		}
	}
	return denied, audited
}
