package nft

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// An agent that starts recognizes its chains by digests: they stand in the comment of the rule that
// logs what the end of a chain denies or, where that denies nothing, of its only rule.

const digestFormat = "chain of %d rules, digest %s content %s"

// setDigest gives one of a chain's rules the comment that Observe recognizes the chain by: what the
// chain should be, and a digest of what its rules read like in the kernel.
func (e encoding) setDigest(rules []rule, at int, c ruleset.Chain) {
	rules[at].comment = ""
	rules[at].comment = e.digestComment(c.Digest(), contentsOf(rules))
}

// digestComment is the comment that a chain is recognized by: how many rules it has, its digest,
// and one of the contents of its rules and of how they were encoded. The rule with this comment
// counts without it.
func (e encoding) digestComment(digest string, contents []string) string {
	content := ruleset.Digest(string(e) + "\n" + strings.Join(contents, "\n"))
	return fmt.Sprintf(digestFormat, len(contents), digest, content)
}

// digest returns the digest of a chain in the kernel; it is empty where somebody changed its rules,
// or another version encoded them.
func (l listing) digest(chain string) string {
	contents := l.contents(chain)
	for i, r := range l.rules[chain] {
		if text := commentOf(r); strings.HasPrefix(text, "chain of ") {
			contents[i] = content(l.exprTexts(r), "")
			return l.encoding.readDigest(text, contents)
		}
	}
	return ""
}

// readDigest returns the digest of a comment if the rest of that comment tells of these contents.
func (e encoding) readDigest(comment string, contents []string) string {
	var total int
	var digest, content string
	n, _ := fmt.Sscanf(comment, digestFormat, &total, &digest, &content)
	if n != 3 || e.digestComment(digest, contents) != comment {
		return ""
	}
	return digest
}
