package ebtables

import "encoding/binary"

// Places and numbers of linux/netfilter_bridge/ebtables.h on kernels of 64 bits.
const (
	alignment = 8
	maxPort   = 15 // IFNAMSIZ is 16 with the zero that ends a name
	maxName   = 31 // EBT_CHAIN_MAXNAMELEN is 32 with it

	// struct ebt_replace
	hooksAt       = 32
	rulesAt       = 36
	sizeAt        = 40
	basesAt       = 48 // a pointer for each hook
	oldRulesAt    = 96
	oldCountersAt = 104
	entriesAt     = 112
	sizeOfReplace = 120

	// struct ebt_entries
	nameAt      = 4
	counterAt   = 36
	policyAt    = 40
	lengthAt    = 44
	sizeOfChain = 48

	// struct ebt_entry
	flagsAt          = 0
	protocolAt       = 8
	inAt             = 10
	outAt            = 42
	sourceMACAt      = 74
	destinationMACAt = 86
	watchersAt       = 100
	targetAt         = 104
	nextAt           = 108
	sizeOfEntry      = 112

	// struct ebt_entry_match, and what is like it
	sizeOfTarget  = 40
	sizeOfVerdict = 8

	sizeOfCounter = 16

	entryFlag        = 0x01 // EBT_ENTRY_OR_ENTRIES
	noProtocol       = 0x02
	bySourceMAC      = 0x08
	byDestinationMAC = 0x10
)

// standard is the target that is a verdict, or the place of a chain.
const standard = "standard"

// bases are the kernel's chains by the numbers of their hooks (linux/netfilter_bridge.h).
var bases = [...]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"}

// head is struct ebt_entry_match.
func head(name string, size int) []byte {
	b := make([]byte, sizeOfTarget)
	copy(b[:maxName], name)
	put32(b[maxName+1:], uint32(size))
	return b
}

// u32 reads a number of the machine's byte order.
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// put32 writes one.
func put32(b []byte, number uint32) { binary.NativeEndian.PutUint32(b, number) }
