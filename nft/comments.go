package nft

import (
	"fmt"
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

const sealFormat = "%s: end of %d rules, digest %s content %s"

// seal is the comment by which Observe recognises a chain and sees whether its rules are what they were. It
// is made from their contents before the last has it.
func seal(c ruleset.Chain, contents []string) string {
	end := "denied"
	switch {
	case c.Denial == ruleset.GoBack && (c.ByPort || len(c.Spans) > 0):
		end = "alike"
	case c.Denial == ruleset.GoBack:
		end = "peers"
	}
	return sealed(end, c.Digest(), contents)
}

func sealed(end, digest string, contents []string) string {
	return fmt.Sprintf(sealFormat, end, len(contents), digest, ruleset.Digest(strings.Join(contents, "\n")))
}

// unseal returns the digest of a chain whose rules are what its seal says, else nothing.
func unseal(comment string, contents []string) string {
	end, rest, _ := strings.Cut(comment, ":")
	var total int
	var digest, content string
	if n, _ := fmt.Sscanf(rest, strings.TrimPrefix(sealFormat, "%s:"), &total, &digest, &content); n != 3 || sealed(end, digest, contents) != comment {
		return ""
	}
	return digest
}
