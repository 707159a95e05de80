package ruleset

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Direction is the half of the judgement: Ingress is what a subject receives, Egress what it sends.
type Direction uint8

// The directions, as in NetworkPolicySpec.policyTypes.
const (
	Ingress Direction = iota
	Egress
)

// Directions lists both, for loops.
var Directions = [...]Direction{Ingress, Egress}

func (d Direction) String() string { return [...]string{"ingress", "egress"}[d] }

// peerWord says where the peer stands, as seen from the subject.
func (d Direction) peerWord() string { return [...]string{"from", "to"}[d] }

// Ends returns which address of a flow is the subject's and which the peer's.
func (d Direction) Ends(f Flow) (subject, peer netip.Addr) {
	if d == Ingress {
		return f.To, f.From
	}
	return f.From, f.To
}

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

// Denial is what happens to a packet that no rule of a chain allows.
type Denial uint8

// The denials. The zero value is the silent one.
const (
	Drop   Denial = iota
	Reject        // TCP reset, else ICMP administratively prohibited
	GoBack        // nothing yet: the chain that led here goes on
)

func (d Denial) String() string { return [...]string{"drop", "reject", "go back"}[d] }

// ParseDenial reads drop or reject.
func ParseDenial(s string) (Denial, error) {
	for _, d := range []Denial{Drop, Reject} {
		if s == d.String() {
			return d, nil
		}
	}
	return Drop, fmt.Errorf("denial %q: expected drop or reject", s)
}

// Chain is everything that one pod may do in one direction. Its end is the denial.
//
// Where many policies meet in one pod, ports are looked up in a PortMap, or PortRanges, which lead to chains of another kind: those
// say who the peers are, have no ports and no subject, and end with GoBack. Pods that are judged alike share then all
// but the rule by which each may reach itself: in a chain that has no subject either, and ends with GoBack, too.
type Chain struct {
	ID        ChainID
	Direction Direction
	Subject   string  // namespace/name of the pod
	Rules     []Rule  // in the order of their origins; each one allows
	ByPort    bool    // what no rule allows is looked up in PortsOf(ID)
	Spans     []SetID // and then in these PortRanges, one a protocol at most
	Onward    ChainID // what no rule allows may still be allowed there; empty: nowhere
	Denial    Denial
}

// Equal reports whether two chains are the same to a backend: their digests are.
func (c Chain) Equal(o Chain) bool {
	return c.ID == o.ID && c.Direction == o.Direction && c.ByPort == o.ByPort && slices.Equal(c.Spans, o.Spans) && c.Onward == o.Onward && c.Denial == o.Denial && slices.EqualFunc(c.Rules, o.Rules, func(a, b Rule) bool {
		return a.Same(b) && slices.Equal(a.Origins, b.Origins)
	})
}

// Digest identifies all that a backend writes into the kernel for c.
func (c Chain) Digest() string {
	var b strings.Builder
	c.text(&b)
	return Digest(b.String())
}

func (c Chain) text(b *strings.Builder) {
	fmt.Fprintf(b, "chain %s\n", c.ID)
	for _, r := range c.Rules {
		fmt.Fprintf(b, "  allow %s %s\n", c.Direction.peerWord(), r)
	}
	if c.ByPort {
		fmt.Fprintf(b, "  by port @%s\n", PortsOf(c.ID))
	}
	for _, id := range c.Spans {
		fmt.Fprintf(b, "  by ports @%s\n", id)
	}
	if c.Onward != "" {
		fmt.Fprintf(b, "  onward to %s\n", c.Onward)
	}
	fmt.Fprintf(b, "  %s\n", c.Denial)
}

// Rule allows the packets of one protocol between the subject and a peer.
type Rule struct {
	Peer    Peer
	Proto   Protocol    // AnyProtocol: everything, ICMP too
	Ports   []PortRange // the destination's, disjoint and sorted; none: every port of Proto
	Origins []Origin    // sorted; several where policies say the same, none in a chain that a PortMap leads to
}

func (r Rule) String() string {
	words := []string{r.Peer.String(), r.Proto.String()}
	if len(r.Ports) > 0 {
		words = append(words, join(r.Ports, ","))
	}
	if len(r.Origins) == 0 {
		return strings.Join(words, " ")
	}
	return fmt.Sprintf("%-40s # %s", strings.Join(words, " "), OriginsText(r.Origins))
}

// Same reports whether two rules allow the same packets; their origins may differ.
func (r Rule) Same(o Rule) bool {
	return r.Peer == o.Peer && r.Proto == o.Proto && slices.Equal(r.Ports, o.Ports)
}

// Peer is who a rule speaks of: the members of a set, the addresses of a prefix or, as its zero value,
// everybody in both families.
type Peer struct {
	Set    SetID        // when its Key is not empty
	Prefix netip.Prefix // when it is valid
}

// InSet is the peer that the members of a set are.
func InSet(id SetID) Peer { return Peer{Set: id} }

// InPrefix is the peer that the addresses of a prefix are.
func InPrefix(p netip.Prefix) Peer { return Peer{Prefix: p.Masked()} }

// HasSet reports whether the peer is a set.
func (p Peer) HasSet() bool { return p.Set.Key != "" }

// Compare orders peers: everybody, prefixes, sets.
func (p Peer) Compare(o Peer) int {
	if order := p.Set.Compare(o.Set); order != 0 || p.Prefix == o.Prefix {
		return order
	}
	return p.Prefix.Compare(o.Prefix)
}

func (p Peer) String() string {
	switch {
	case p.HasSet():
		return "@" + p.Set.String()
	case p.Prefix.IsValid():
		return p.Prefix.String()
	default:
		return "anyone"
	}
}

// Origin is the part of a policy that a rule comes from. The zero value stands for what is always allowed:
// a pod may reach itself.
type Origin struct {
	Policy    string // namespace/name
	Direction Direction
	Rule      int // index in spec.ingress or spec.egress
}

// Compare orders origins by policy, direction and rule.
func (o Origin) Compare(p Origin) int {
	return cmp.Or(cmp.Compare(o.Policy, p.Policy), cmp.Compare(o.Direction, p.Direction), cmp.Compare(o.Rule, p.Rule))
}

// String is the form that comments show: default/allow-dns egress[0].
func (o Origin) String() string {
	if o.Policy == "" {
		return "itself"
	}
	return o.Policy + " " + o.Direction.String() + "[" + strconv.Itoa(o.Rule) + "]"
}

// OriginsText is the form of several.
func OriginsText(origins []Origin) string { return join(origins, ", ") }

// MaxComment is how long a comment in the kernel may be (NFTNL_UDATA_COMMENT_MAXLEN, 128 with its end).
const MaxComment = 127

// ShortOrigins names as many as a comment has room for, of which each takes 13 bytes or more.
func ShortOrigins(origins []Origin) string {
	for n := min(len(origins), 1+MaxComment/13); n > 0; n-- {
		text := OriginsText(origins[:n])
		if n < len(origins) {
			text += fmt.Sprintf(", and %d others", len(origins)-n)
		}
		if len(text) <= MaxComment {
			return text
		}
	}
	return fmt.Sprintf("%d rules", len(origins))
}

func join[T fmt.Stringer](items []T, separator string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, separator)
}
