package ruleset

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// ChainID names a chain: direction/namespace/pod, or what NewPeersID and NewAlikeID make. It is
// short enough for a backend to keep it whole, as a name or in a comment, and never empty.
type ChainID string

// MaxChainID is how long a ChainID may be, in bytes.
const MaxChainID = 110

// NewChainID makes the name for one pod and direction. Names never collide: a Kubernetes name holds
// no slash, and none holds the underscore that marks a name that had to be shortened.
func NewChainID(d Direction, namespace, pod string) ChainID {
	full := fmt.Sprintf("%s/%s/%s", d, namespace, pod)
	if len(full) <= MaxChainID {
		return ChainID(full)
	}
	digest := Digest(full)
	return ChainID(full[:MaxChainID-1-len(digest)] + "_" + digest)
}

// NewPeersID makes the name for rules that chains share, from their text: peers/direction-digest.
func NewPeersID(d Direction, identity string) ChainID {
	return ChainID(fmt.Sprintf("peers/%s-%s", d, Digest(identity)))
}

// NewAlikeID makes the name for what pods have in common that the same policies isolate, from the
// names of these pods: alike/direction-digest.
func NewAlikeID(d Direction, pods []string) ChainID {
	return ChainID(fmt.Sprintf("alike/%s-%s", d, Digest(strings.Join(pods, "\n"))))
}

// Digest is a name for a text of any length: 26 letters and digits that hold 130 bits of its
// SHA-256. That is too many bits for anybody to find two texts with one digest.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26])
}
