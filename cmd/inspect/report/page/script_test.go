package page

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/report"
	"github.com/picket-project/picket/ruleset/oracle/scene"
	"github.com/picket-project/picket/ruleset/policy"
)

// asked runs the page's script, without what draws, about a cluster of the scenes with some statements
// more, and returns what an expression is there.
func asked(t *testing.T, statements, expression string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	w, err := scene.Cluster()
	if err == nil {
		w, err = scene.Edit(w, statements)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := report.New(report.Input{Cluster: ask.New(policy.Objects(*w), nil)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	script := "const document = { getElementById: () => ({ textContent: " + quoted(string(text)) +
		" }) };\n" + file("facts.js") + file("draw.js") +
		"\nprocess.stdout.write(String(" + expression + "));"
	run := exec.Command(node, "-")
	run.Stdin = strings.NewReader(script)
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return string(out)
}

// quoted is a text as a script has it.
func quoted(text string) string {
	quoted, _ := json.Marshal(text) // a text always has a JSON form
	return string(quoted)
}

// The page names the one IP family that is denied.
func TestThePageNamesTheFamily(t *testing.T) {
	const asks = `(() => { const h = why(find("a/web").workload, find("internet").workload, ` +
		`"tcp/443").halves[0]; return h.reason + "; " + h.rules[0].peer; })()`
	for peers, want := range map[string]string{
		"{ipBlock: {cidr: 0.0.0.0/0}}": "isolated, and no rule lets it through over IPv6; over IPv4 one " +
			"does; not in 0.0.0.0/0",
		"{ipBlock: {cidr: '::/0'}}": "isolated, and no rule lets it through over IPv4; over IPv6 one " +
			"does; not in ::/0",
		"{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}": "isolated, and a rule allows it; ",
		"{ipBlock: {cidr: 10.0.0.0/8}}":                           "isolated, and no rule lets it through; not in 10.0.0.0/8",
	} {
		got := asked(t, "policy a/web {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "+
			"egress: [{to: ["+peers+"]}]}", asks)
		if got != want {
			t.Errorf("%s: %q, expected %q", peers, got, want)
		}
	}
}
