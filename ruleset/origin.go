package ruleset

import (
	"cmp"
	"fmt"
	"strconv"
)

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
