package nft

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// Names in the table. A chain with a slash in its name is one of the program's, of which the name
// is its ID; a set of the program has its ID as text for a name.
const (
	tableName = "picket"
	linkSet   = "podlinks"   // interfaces that pods sit behind
	arrival   = "arrival"    // the chain for what egress lets pass: ingress decides about it
	tunnels   = "tunnels"    // the chain that drops what a node would unpack
	logPrefix = nflog.Prefix // then the chain's name and a space

	// the same for what is let through: no chain's name is the word audit
	auditPrefix = nflog.AuditPrefix
)

// Lengths that the kernel allows, in bytes.
const (
	maxName      = 255 // NFT_NAME_MAXLEN is 256 with the zero that ends a name
	maxLogPrefix = 127 // NF_LOG_PREFIXLEN is 128 with the zero that ends it
)

// These do not compile if the name of a chain is too long for itself, for the prefix of its log or
// for the comment of an element that leads to it.
const (
	_ = uint(maxName - ruleset.MaxChainID)
	_ = uint(maxLogPrefix - len(auditPrefix) - ruleset.MaxChainID - len(" "))
	_ = uint(maxComment - ruleset.MaxChainID)
)

// isPodChain tells a chain or map of the program from those of the frame.
func isPodChain(name string) bool { return strings.Contains(name, "/") }

// isOfPod tells the chain of one pod and direction from those that pods share: these only give back
// what no rule of theirs allows, so they deny nothing.
func isOfPod(name string) bool {
	for _, d := range ruleset.Directions {
		if strings.HasPrefix(name, d.String()+"/") {
			return true
		}
	}
	return false
}

// mapName names the verdict map of a direction and family: egress4, ingress6.
func mapName(d ruleset.Direction, f ruleset.Family) string { return fmt.Sprintf("%s%d", d, f) }
