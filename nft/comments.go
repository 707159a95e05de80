package nft

import (
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"

	"github.com/picket-project/picket/ruleset"
)

// maxComment is how long a comment may be, in bytes. The nft program takes 128 with the zero that
// ends it (NFTNL_UDATA_COMMENT_MAXLEN).
const maxComment = 127

// clip shortens a comment to what fits.
func clip(comment string) string {
	if len(comment) <= maxComment {
		return comment
	}
	return comment[:maxComment-3] + "..."
}

// reasonComment says which policies a rule or an element comes from.
func reasonComment(r ruleset.Reason) string { return string(r.Abbreviated(maxComment)) }

// commentOf reads the comment of a rule in the kernel.
func commentOf(r *nftables.Rule) string {
	text, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	return text
}

// decidedBy names the policies that isolate the pod of a chain, or are audited, as many as there is
// room for: a policy of the pod's own namespace without that.
func decidedBy(c ruleset.Chain) string {
	if len(c.Policies) == 0 {
		return ""
	}
	namespace, _, _ := strings.Cut(c.Subject, "/")
	text, shown := "", c.PoliciesWord()+" "
	for i, policy := range c.Policies {
		if i > 0 {
			shown += ", "
		}
		shown += strings.TrimPrefix(policy, namespace+"/")
		end := shown
		if others := len(c.Policies) - i - 1; others > 0 {
			end += " and " + ruleset.Others(others)
		}
		if i > 0 && len(end) > maxComment {
			break
		}
		text = end
	}
	return clip(text)
}
