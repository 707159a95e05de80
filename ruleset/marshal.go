package ruleset

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Programs, deltas and what was observed can be sent as JSON: what encoding/json can't write by
// itself, such as the keys of maps, has a text here.

// ParseSetID reads SetID.String.
func ParseSetID(name string) (SetID, bool) {
	if strings.Contains(name, "/") {
		return PortsOf(ChainID(name)), true
	}
	first, key, _ := strings.Cut(name, "-")
	id := SetID{Kind: PortRanges, Key: key}
	if first == "spans" && id.Protocol() != AnyProtocol {
		return id, true
	}
	if id = (SetID{Kind: ProtoPorts, Key: key}); id.String() == name {
		return id, true
	}
	for _, kind := range []SetKind{Addresses, AddressPorts, Ranges, LinkAddresses} {
		for _, f := range Families {
			if id := (SetID{Kind: kind, Family: f, Key: key}); id.String() == name {
				return id, true
			}
		}
	}
	return SetID{}, false
}

// MarshalText returns String; the zero value is empty.
func (id SetID) MarshalText() ([]byte, error) {
	if id == (SetID{}) {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what MarshalText returns.
func (id *SetID) UnmarshalText(text []byte) error {
	if *id = (SetID{}); len(text) == 0 {
		return nil
	}
	read, ok := ParseSetID(string(text))
	if !ok {
		return fmt.Errorf("set %q: expected a name such as pods4-KEY", text)
	}
	*id = read
	return nil
}

// MarshalText returns direction and address: "ingress 10.0.0.5".
func (s Subject) MarshalText() ([]byte, error) {
	return []byte(s.Direction.String() + " " + s.Addr.String()), nil
}

// UnmarshalText reads what MarshalText returns.
func (s *Subject) UnmarshalText(text []byte) (err error) {
	word, addr, _ := strings.Cut(string(text), " ")
	if s.Direction, err = ParseDirection(word); err != nil {
		return err
	}
	s.Addr, err = netip.ParseAddr(addr)
	return err
}

// MarshalText returns String.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads String.
func (d *Direction) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDirection(string(text))
	return err
}

// MarshalText returns String.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads String.
func (p *Protocol) UnmarshalText(text []byte) error {
	if *p = AnyProtocol; string(text) == p.String() {
		return nil
	}
	number, other := strings.CutPrefix(string(text), "proto-")
	if n, err := strconv.ParseUint(number, 10, 8); other && err == nil {
		*p = Protocol(n)
		return nil
	}
	read, err := ParseProtocol(string(text))
	*p = read
	return err
}
