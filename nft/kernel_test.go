package nft

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// What the kernel shows after netlink is what it shows after the script.
func TestNetlinkAndScriptMakeTheSameTable(t *testing.T) {
	for _, denial := range []ruleset.Denial{ruleset.Drop, ruleset.Reject} {
		t.Run(denial.String(), func(t *testing.T) {
			want := sample(denial)
			newNetns(t)
			nftProgram(t, Script(want), "-c", "-f", "-")
			nftProgram(t, Script(want), "-f", "-")
			fromScript := nftProgram(t, "", "list", "table", "inet", tableName)
			have, err := open(t, Options{NoOwner: true}).Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := ruleset.Diff(have, want); !d.Empty() {
				t.Errorf("a table made by the script is not recognised:\n%s", d.String())
			}
			newNetns(t)
			converge(t, open(t, Options{NoOwner: true}), want)
			fromNetlink := nftProgram(t, "", "list", "table", "inet", tableName)
			if diff := cmp.Diff(fromScript, fromNetlink); diff != "" {
				t.Errorf("listing after the script (-) and after netlink (+):\n%s", diff)
			}
			nftProgram(t, "flush ruleset\n"+fromNetlink, "-c", "-f", "-")
		})
	}
}

func TestOwnedTable(t *testing.T) {
	newNetns(t)
	b := open(t, Options{})
	converge(t, b, sample(ruleset.Drop))
	t.Log("owned:", b.Owned())
	t.Log(nftProgram(t, "", "list", "ruleset"))
}
