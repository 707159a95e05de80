package ruleset

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// maxName keeps chain names short enough for a log prefix (NF_LOG_PREFIXLEN, 128 bytes) and for an
// element's comment (128 bytes in nft), and far below the kernel's NFT_NAME_MAXLEN (256).
const maxName = 110

// ChainID is the name of a pod's chain: direction/namespace/pod.
type ChainID string

// NewChainID makes the name for one pod and direction. Names never collide: a Kubernetes name holds no
// slash, and none holds the underscore that marks a name that had to be shortened.
func NewChainID(d Direction, namespace, pod string) ChainID {
	full := fmt.Sprintf("%s/%s/%s", d, namespace, pod)
	if len(full) <= maxName {
		return ChainID(full)
	}
	return ChainID(full[:maxName-27] + "_" + Digest(full))
}

// Digest is a name for a text of any length: 26 letters and digits holding 130 bits of its SHA-256, too
// many for two texts with one name to be found.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26])
}

// NewPeersID makes the name for rules that chains share, from their text: peers/direction-digest.
func NewPeersID(d Direction, identity string) ChainID {
	return ChainID(fmt.Sprintf("peers/%s-%s", d, Digest(identity)))
}

// NewAlikeID makes the name for what pods share that are judged alike, from their names: alike/direction-digest.
func NewAlikeID(d Direction, pods []string) ChainID {
	return ChainID(fmt.Sprintf("alike/%s-%s", d, Digest(strings.Join(pods, "\n"))))
}
