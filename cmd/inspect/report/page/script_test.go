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

// A link leads to its own workload, also where one of another kind has the name.
func TestLinksNameKinds(t *testing.T) {
	owned := func(pod, kind, name string) string {
		return "patch pod " + pod + " {metadata: {ownerReferences: [{kind: " + kind + ", name: " + name +
			", controller: true}]}}\n"
	}
	statements := owned("a/web", "StatefulSet", "backup") + owned("a/api", "Job", "backup-28000000") +
		owned("a/db", "StatefulSet", "db") + owned("a/far", "DaemonSet", "cli")
	for expression, want := range map[string]string{
		`data.workloads.every((_, i) => find(decodeURIComponent(linkOf(i).slice(4))).workload === i)`: "true",
		`data.workloads.map((_, i) => withKind(i))`: "a/cronjob/backup,a/statefulset/backup," +
			"a/daemonset/cli,a/pod/cli,a/statefulset/db,ab/cli,ab/web,b/lone,internet",
		`data.workloads.map((_, i) => nameOf(i))`: "a/backup (CronJob),a/backup (StatefulSet)," +
			"a/cli (DaemonSet),a/cli,a/db,ab/cli,ab/web,b/lone,internet",
		`data.workloads.map((_, i) => askedAs(i))`: "a/cronjob/backup,a/statefulset/backup," +
			"a/daemonset/cli,a/pod/cli,a/db,ab/cli,ab/web,b/lone,internet",
		`find("a/backup").error`: "“a/backup” is a/cronjob/backup, a/statefulset/backup: which one?",
		`parse("a/cronjob/backup → a/db").from + " " + parse("a/db").from`: "0 4",
		`linkTo(1, 4)`: "#why=a%2Fstatefulset%2Fbackup,a%2Fstatefulset%2Fdb",
	} {
		if got := asked(t, statements, expression); got != want {
			t.Errorf("%s: %s, expected %s", expression, got, want)
		}
	}
}
