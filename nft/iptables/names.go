package iptables

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Names in the kernel. What is there whatever the program is has a word behind ownPrefix, what is
// made for a program a digest behind madePrefix.
const (
	ownPrefix  = "picket-"
	madePrefix = "pkt-"
)

// Lengths that the kernel allows, in bytes.
const (
	maxChain   = 28  // XT_EXTENSION_MAXNAMELEN is 29 with the zero that ends a name
	maxSet     = 31  // IPSET_MAXNAMELEN is 32 with it
	maxComment = 255 // XT_MAX_COMMENT_LEN is 256 with it
	maxPrefix  = 63  // of NFLOG, 64 with it
)

// Lengths of digests in names, of which each letter holds 5 bits. Nobody finds two texts with the
// same 120 bits; if somebody did, Apply would refuse the second chain of a pod or copy of a set. Chains
// of a tree have 95 bits, of addresses: the second would take the place of the first.
const (
	chainDigest = maxChain - len(madePrefix)
	setDigest   = 26
)

// The chains that are there whatever the program is.
const (
	forwardChain  = ownPrefix + "forward"
	outputChain   = ownPrefix + "output"
	inputChain    = ownPrefix + "input"
	earlyChain    = ownPrefix + "prerouting"
	lateChain     = ownPrefix + "postrouting"
	arrivalChain  = ownPrefix + "arrival"
	fromPodsChain = ownPrefix + "from-pods"
	setsChain     = ownPrefix + "sets"
	cutChain      = ownPrefix + "cut"
	pairsChain    = ownPrefix + "cut-pairs"
	rejectChain   = ownPrefix + "reject"
	answerChain   = ownPrefix + "answer"
)

// spellingChain names the chain in which some rules are tried out, by these rules: no copy of the table
// that somebody has kept has it.
func spellingChain(rules []string) string {
	const head = ownPrefix + "spelling-"
	return head + ruleset.Digest(strings.Join(rules, "\n"))[:maxChain-len(head)]
}

// rootChain names the chain at which packets begin to look for the chain of their subject.
func rootChain(d ruleset.Direction) string { return ownPrefix + d.String() }

// branchChain names a chain of the tree over addresses, by the bits that are the same in all of it.
func branchChain(d ruleset.Direction, bits string) string {
	head := fmt.Sprintf("%s%.1s-", ownPrefix, d)
	return head + ruleset.Digest(bits)[:maxChain-len(head)]
}

// isBranch reports whether a chain is of the tree of a direction.
func isBranch(d ruleset.Direction, chain string) bool {
	return chain == rootChain(d) || strings.HasPrefix(chain, fmt.Sprintf("%s%.1s-", ownPrefix, d))
}

// partChain names one of the chains that a chain of the program becomes: part 0 is its beginning.
func partChain(id ruleset.ChainID, part int) string {
	return madePrefix + ruleset.Digest(fmt.Sprintf("%s %d", id, part))[:chainDigest]
}

// subjectsSet names the set of the subjects of a direction and family.
func subjectsSet(d ruleset.Direction, f ruleset.Family) string {
	return fmt.Sprintf("%s%s%d", ownPrefix, d, f)
}

// setName names the copy of a set for a role. members is a text of all members, where these can
// never change; else it is empty.
func setName(id ruleset.SetID, r role, members string) string {
	if id.Fixed() {
		return ownPrefix + id.String()
	}
	return madePrefix + ruleset.Digest(fmt.Sprintf("%s %s %s", id, r, members))[:setDigest]
}

// isOurs reports whether nobody but this package makes a chain or set of that name.
func isOurs(name string) bool {
	rest, made := strings.CutPrefix(name, madePrefix)
	if !made {
		return strings.HasPrefix(name, ownPrefix)
	}
	isDigest := strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
	return isDigest && (len(rest) == chainDigest || len(rest) == setDigest)
}
