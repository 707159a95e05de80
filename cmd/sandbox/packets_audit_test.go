package sandbox_test

import (
	"slices"
	"testing"

	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// A policy that is audited disturbs nobody, and what it would deny is counted. Once it is enforced
// the connections that it forbids are cut, and once it is audited again they go on.
func TestAuditOnRealPackets(t *testing.T) {
	r, forbidden, permitted := openRig(t)
	all := append(forbidden, permitted...)
	enforced := changedWorld(t, r.told, func(s *stage) {
		s.policy(`a/cli {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`)
	})
	audited := edited(t, enforced,
		"patch policy a/cli {metadata: {annotations: {"+policy.AuditAnnotation+": 'true'}}}")
	told := r.agents["n1"].watchDrops(t)
	r.tell(audited)
	undisturbed(t, all)
	told.has(t, "what a/cli sends is let through by an audit", func(d drops.Drop) bool {
		return d.Audited && d.Subject().Pod == "a/cli" && d.Packets > 0 &&
			slices.Equal(d.IsolatedBy, []string{"a/cli"})
	})
	subject := drops.Subject{Direction: ruleset.Egress, Namespace: "a", Workload: "cli"}
	eventually(t, "counted as audited", func() bool { return told.audited(subject) > 0 })
	if n := told.count(subject); n > 0 {
		t.Errorf("%d packets count as denied before the policy is enforced", n)
	}
	r.tell(enforced)
	stayCut(t, forbidden)
	undisturbed(t, permitted)
	r.tell(audited)
	goOn(t, forbidden)
	undisturbed(t, permitted)
	r.check(audited, "allow a/cli > a/near TCP 80\nallow a/twin > a/near TCP 80")
	if onIPTables() {
		return // nothing reads its counters but people
	}
	counts, denied := r.counts("n1")
	if counts["egress/a/cli"] == 0 || len(counts) != 1 || denied["egress/a/cli"] != 0 {
		t.Errorf("let through: %v, denied: %v", counts, denied)
	}
}

// counts reads what the chains of a node have let through in an audit, and denied.
func (r *rig) counts(node string) (audited, denied map[ruleset.ChainID]uint64) {
	r.t.Helper()
	b := nft.Open(nft.Options{NetNS: int(r.agents[node].ns.Fd()), Look: true})
	defer b.Close()
	_, err := b.Observe(r.t.Context())
	r.must(err)
	denied, audited = ruleset.SumDenials(b.Found())
	return audited, denied
}
