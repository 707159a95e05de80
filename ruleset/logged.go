package ruleset

import "fmt"

// Logged is a packet that a chain has denied and logged, or let through where audited policies would
// deny it: what the packet says, and which chain it was. The chain is certain; the address of the other end is what the packet claims.
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

// DenialCount is how many packets one rule in the kernel has denied. Rule is a number that no other
// rule of the table ever has, and 0 where the kernel has none.
type DenialCount struct {
	Chain   ChainID
	Rule    uint64
	Packets uint64
}
