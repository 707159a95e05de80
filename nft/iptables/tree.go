package iptables

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// leafSize is how many subjects are compared one after another.
const leafSize = 4

// tree returns the chains by which a subject of a direction and family finds its chain. Each chain
// compares two bits of the address, the lowest in which its subjects differ, and leads on, or
// compares the addresses of the few that are left. A packet that finds none returns: its subject is
// about to be isolated, or is not any more.
func tree(d ruleset.Direction, f ruleset.Family, subjects map[netip.Addr]ruleset.ChainID) chains {
	b := branching{family: f, end: subjectEnd(d), made: chains{},
		name: func(bits string) string { return branchChain(d, bits) },
		leaf: func(a netip.Addr) []string {
			id := subjects[a]
			return []string{rule(address(single(a), subjectEnd(d)), comment(string(id)),
				goTo(partChain(id, 0)))}
		}}
	b.branch(rootChain(d), "", sortedAddrs(subjects))
	return b.made
}

// sortedAddrs lists the addresses that are keys, sorted.
func sortedAddrs[T any](of map[netip.Addr]T) []netip.Addr {
	return slices.SortedFunc(maps.Keys(of), netip.Addr.Compare)
}

// branching makes the chains of one tree.
type branching struct {
	family ruleset.Family
	end    end                         // the address that is compared
	name   func(bits string) string    // of a chain below the root
	leaf   func(a netip.Addr) []string // rules for one address
	last   string                      // the rule for an address that is not there; empty: return
	made   chains
}

// branch makes the chain for some addresses; bits says which bits are the same in all of them.
func (b branching) branch(name, bits string, addrs []netip.Addr) {
	b.made[name] = nil
	if len(addrs) <= leafSize {
		for _, a := range addrs {
			b.made[name] = append(b.made[name], b.leaf(a)...)
		}
	} else {
		b.fork(name, bits, addrs)
	}
	if b.last != "" {
		b.made[name] = append(b.made[name], b.last)
	}
}

// fork leads addresses on by two of their bits.
func (b branching) fork(name, bits string, addrs []netip.Addr) {
	bit := lowestDifference(addrs)
	for value := range byte(4) {
		below := slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
			return pair(a, bit) != value
		})
		if len(below) == 0 {
			continue
		}
		at := fmt.Sprintf("%s %d=%d", bits, bit, value)
		to := b.name(at)
		b.made[name] = append(b.made[name], rule(b.compare(bit, value), goTo(to)))
		b.branch(to, at, below)
	}
}

// compare matches an address by two bits.
func (b branching) compare(bit int, value byte) string {
	return fmt.Sprintf("%s %s/%s", b.end.option(), withPair(b.family, bit, value),
		withPair(b.family, bit, 3))
}

// pair returns two bits of an address. Bits are counted from the lowest, 0; bit is even.
func pair(a netip.Addr, bit int) byte {
	bytes := a.AsSlice()
	return bytes[len(bytes)-1-bit/8] >> (bit % 8) & 3
}

// withPair returns the address of which only two bits are set, to value.
func withPair(f ruleset.Family, bit int, value byte) netip.Addr {
	bytes := make([]byte, f.Bits()/8)
	bytes[len(bytes)-1-bit/8] = value << (bit % 8)
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// lowestDifference returns the lowest pair of bits in which addresses differ; there are several
// addresses.
func lowestDifference(addrs []netip.Addr) int {
	for bit := 0; bit < addrs[0].BitLen(); bit += 2 {
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool {
			return pair(a, bit) != pair(addrs[0], bit)
		}) {
			return bit
		}
	}
	return 0
}
