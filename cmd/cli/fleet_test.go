package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/cli/agents/agentstest"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/ruleset"
)

const (
	fleetPods = `{"metadata":{"namespace":"shop","name":"web","labels":{"app":"web"}},
 "spec":{"nodeName":"n1","containers":[{"name":"c"}]},"status":{"phase":"Running","podIP":"10.0.1.2"}},
 {"metadata":{"namespace":"shop","name":"db","labels":{"app":"db"}},"spec":{"nodeName":"n2",
 "containers":[{"name":"c","ports":[{"containerPort":5432}]}]},
 "status":{"phase":"Running","podIP":"10.0.2.2"}}`
	fleetPolicy = `{"metadata":{"namespace":"shop","name":"deny","generation":4,"uid":"a",
 "resourceVersion":"v4"},"spec":{"podSelector": {"matchLabels":{"app":"db"}},"policyTypes":["Ingress"]}}`
	fleetNodes = `{"metadata":{"name":"n1"},"spec":{"podCIDRs":["10.0.1.0/24"]}},
 {"metadata":{"name":"n2"},"spec":{"podCIDRs":["10.0.2.0/24"]}},
 {"metadata":{"name":"n3"},"spec":{"podCIDRs":["10.0.3.0/24"]}}`
)

// paths are the answers of an agent.
type paths map[string]any

// ServeHTTP answers as an agent does.
func (p paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(agent.APIHeader, strconv.Itoa(agent.API))
	w.Header().Set(agent.VersionHeader, "v2")
	value, known := p[r.URL.Path]
	if !known {
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(value)
}

// statusWith is an agent whose kernel holds a generation of shop/deny.
func statusWith(node string, generation int64) *agent.Status {
	return &agent.Status{API: agent.API, Version: "v2", Node: node, Kernel: "6.12.1", Pods: 1,
		Started: time.Now().Add(-time.Hour), Committed: time.Now().Add(-time.Minute),
		Readiness: agent.Readiness{Ready: true, Backend: "nftables", Table: "owned"},
		Policies: []agent.Revision{{Policy: "shop/deny", Generation: generation, UID: "a",
			ResourceVersion: fmt.Sprintf("v%d", generation), Since: time.Now().Add(-48 * time.Hour), After: 6 * time.Millisecond}}}
}

// stateOfDB is a node whose kernel isolates shop/db, or does not hold what it should.
func stateOfDB(right bool) *agent.State {
	db := netip.MustParseAddr("10.0.2.2")
	in := ruleset.NewChainID(ruleset.Ingress, "shop", "db")
	chain := ruleset.Chain{ID: in, Direction: ruleset.Ingress, Subject: "shop/db",
		Policies: []string{"shop/deny"}}
	digest := chain.Digest()
	if !right {
		digest = "another"
	}
	return &agent.State{API: agent.API, Version: "v2", Node: "n2", Backend: "nftables",
		Program: &ruleset.Program{Chains: []ruleset.Chain{chain},
			Dispatch: []ruleset.Dispatch{{Direction: ruleset.Ingress, Addr: db, Chain: in}}},
		Observed: &ruleset.Observed{Condition: ruleset.Intact,
			Chains:   map[ruleset.ChainID]string{in: digest},
			Dispatch: map[ruleset.Subject]ruleset.ChainID{{Direction: ruleset.Ingress, Addr: db}: in}},
		Denied: map[ruleset.ChainID]uint64{in: 41}}
}

// startFleet starts a cluster of three nodes, of which n3 has no agent, and n2 holds a generation.
func startFleet(t *testing.T, generation int64, right bool) (kubeconfig string) {
	t.Helper()
	t.Setenv("LC_ALL", "C")
	web := agent.Connection{From: netip.MustParseAddr("10.0.1.2"), To: netip.MustParseAddr("10.0.2.2"),
		Proto: ruleset.TCP, Port: 5432, Count: 3}
	open := func(node string) agent.Connections {
		return agent.Connections{API: agent.API, Node: node, Kinds: []agent.Connection{web}}
	}
	return agentstest.Server{Items: map[string]string{"pods": fleetPods, "nodes": fleetNodes,
		"networkpolicies": fleetPolicy, "services": "", "namespaces": `{"metadata":{"name":"shop"}}`},
		Agents: map[string]http.Handler{
			"n1": paths{agent.StatusPath: statusWith("n1", 4), agent.ConnectionsPath: open("n1"),
				agent.StatePath: &agent.State{API: agent.API, Version: "v2", Node: "n1",
					Program: &ruleset.Program{}, Observed: &ruleset.Observed{Condition: ruleset.Intact}}},
			"n2": paths{agent.StatusPath: statusWith("n2", generation), agent.ConnectionsPath: open("n2"),
				agent.StatePath: stateOfDB(right)},
		}}.Start(t)
}

// What the agents of a cluster say is told in names, within 80 columns, with the exit code of the
// answer.
func TestAgentsAnswer(t *testing.T) {
	now := startFleet(t, 4, true)
	behind := startFleet(t, 3, false)
	for _, test := range []struct {
		kubeconfig, line string
		code             int
		want             string
	}{
		{now, "status netpol/deny", 0, `shop/deny  generation 4  in force on 3 of 3 nodes

NODE  PODS  IN FORCE       AFTER  NOTE
n1       0  nothing to do      -  selects no pod here
n2       1  yes              6ms  since SINCE
n3       0  nothing to do      -  selects no pod here; no agent runs here
                                  (looked in kube-system)
`},
		{now, "status netpol/shop/deny", 0, "shop/deny  generation 4  in force on 3 of 3 nodes"},
		{behind, "status netpol/deny --wait --timeout 1s", 1, `shop/deny  generation 4  in force on 2 of 3 nodes

NODE  PODS  IN FORCE       AFTER  NOTE
n1       0  nothing to do      -  selects no pod here
n2       1  no                 -  has generation 3, which stays in force; the
                                  agent has not heard of the new one yet
n3       0  nothing to do      -  selects no pod here; no agent runs here
                                  (looked in kube-system)
`},
		{behind, "status", 1, `all is well on 1 of 3 nodes, with 1 policy

NODE  READY  VERSION  BACKEND   PODS  IN FORCE
n1    yes    v2       nftables     1  1 of 1
n2    yes    v2       nftables     1  0 of 1
n3    ?      -        -            -  -

n2: 1 of 1 policies are not in force as they are now: picket status netpol/NAME

n3: no agent runs here (looked in kube-system)
`},
		{now, "kernel db", 0, `shop/db  10.0.2.2  on n2: as it should be

INGRESS  isolated by deny
  VERDICT  PORT  BY  FROM
  drop     any   -   everybody else: 41 packets
`},
		{now, "why web db:5432", 1, `DENIED  shop/web -> shop/db tcp/5432
  ingress says no

  EGRESS of shop/web, on n1: allowed: no policy isolates it in this direction

  INGRESS of shop/db, on n2: isolated, and no rule lets it through
    isolated by  deny

  kernel: n1 lets it through (egress)
  kernel: n2 drops it in ingress/shop/db, 41 packets denied there so far

  allow it: the same with -o patch
`},
		{behind, "why web db:5432 -n shop", 1, "  THE KERNEL DIFFERS: n2 does not hold the rules that it " +
			"should:\n  ingress/shop/db: the rules are others\n"},
		{now, "diff --delete shop/deny", 1, "opens"},
	} {
		code, stdout, stderr := picket(append(strings.Fields(test.line), "--kubeconfig", test.kubeconfig)...)
		since := time.Now().Add(-48 * time.Hour).Format("2006-01-02 15:04")
		stdout = strings.ReplaceAll(stdout, since, "SINCE")
		if code != test.code {
			t.Errorf("%s: exit code %d\n%s%s", test.line, code, stdout, stderr)
		}
		if !strings.Contains(strings.ToLower(stdout), strings.ToLower(test.want)) {
			t.Errorf("%s: -want +got\n%s", test.line, cmp.Diff(test.want, stdout))
		}
		for _, row := range strings.Split(stdout, "\n") {
			if len(row) > 80 {
				t.Errorf("%s: more than 80 columns: %s", test.line, row)
			}
		}
	}
}

// Of what is open now each connection counts once, though the nodes of both its ends see it.
func TestDiffCountsWhatIsOpen(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	file := filepath.Join(t.TempDir(), "new.yaml")
	write(t, file, `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: quiet} # in the namespace of the context
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
`)
	// What is open although it is denied already is cut by nobody: only a policy that is new does.
	base := strings.NewReplacer(`"Ingress"`, `"Egress"`).Replace(fleetPolicy)
	kubeconfig := agentstest.Server{Items: map[string]string{"pods": fleetPods, "nodes": fleetNodes,
		"networkpolicies": base, "services": "", "namespaces": `{"metadata":{"name":"shop"}}`},
		Agents: map[string]http.Handler{"n3": nil, "n1": openAt("n1"), "n2": openAt("n2")}}.Start(t)
	code, stdout, stderr := picket("diff", "-f", file, "--kubeconfig", kubeconfig)
	for _, want := range []string{"shop/web -> shop/db tcp/5432      3  n2",
		"1 kind of connections would be cut, of 3 connections that are open",
		"? n3 could not be asked: the agent of n3: exec in kube-system/picket-n3"} {
		if code != 1 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, %s%s; expected %s", code, stdout, stderr, want)
		}
	}
}

// openAt is an agent that has three connections.
func openAt(node string) http.Handler {
	return paths{agent.ConnectionsPath: agent.Connections{API: agent.API, Node: node,
		Kinds: []agent.Connection{{From: netip.MustParseAddr("10.0.1.2"),
			To: netip.MustParseAddr("10.0.2.2"), Proto: ruleset.TCP, Port: 5432, Count: 3}}}}
}

// A wrong question gets one clear error.
func TestStatusOfNothing(t *testing.T) {
	kubeconfig := startFleet(t, 4, true)
	for line, want := range map[string]string{
		"status pod/web":           `"pod/web": expected node/NAME or netpol/NAME`,
		"status --wait":            "--wait: expected netpol/NAME",
		"status netpol/a/b/c":      `"a/b/c": expected NAMESPACE/NAME`,
		"status netpol/shop/":      `"shop/": expected NAMESPACE/NAME`,
		"status netpol/none":       "policy shop/none: there is none, and no node that was asked holds one",
		"status node/n9":           "no agent on n9",
		"kernel a/b/c":             `"a/b/c": expected NAMESPACE/NAME`,
		"kernel nobody":            "pod shop/nobody",
		"kernel --node n9":         "no agent on n9",
		"kernel -o nft":            "each node has a table of its own; expected POD or --node",
		"kernel --node n1 -o nft":  "the agent of n1 is of version v2 and does not say what holds",
		"status --agent-namespace": "flag needs an argument",
	} {
		code, stdout, stderr := picket(append(strings.Fields(line), "--kubeconfig", kubeconfig)...)
		if strings.HasSuffix(line, "namespace") {
			code, stdout, stderr = picket(strings.Fields(line)...)
		}
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s%s", line, code, stdout, stderr)
		}
	}
}

// The file for support has what could be had, and says what is missing.
func TestSysdump(t *testing.T) {
	kubeconfig := startFleet(t, 4, true)
	file := filepath.Join(t.TempDir(), "dump.tar.gz")
	code, stdout, stderr := picket("sysdump", "-o", file, "--kubeconfig", kubeconfig)
	if code != 1 || !strings.Contains(stdout, "missing: nodes/n1/metrics.txt: the agent of n1: it is of version") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if about, err := os.Stat(file); err != nil || about.Mode().Perm() != 0o600 || about.Size() < 500 {
		t.Errorf("%v, %v", about, err)
	}
	if code, _, stderr := picket("sysdump", "-o", file, "--kubeconfig", kubeconfig); code != 2 ||
		!strings.Contains(stderr, "file exists") {
		t.Errorf("a file was replaced: exit code %d, %s", code, stderr)
	}
	code, stdout, stderr = picket("sysdump", "-o", "-", "--kubeconfig", kubeconfig)
	if code != 1 || !strings.HasPrefix(stdout, "\x1f\x8b") ||
		!strings.HasPrefix(stderr, "missing: nodes/n1/metrics.txt: ") {
		t.Errorf("exit code %d, %d bytes, %s", code, len(stdout), stderr)
	}
}

// Packets that audits let through are shown, and were not denied.
func TestExitCodeOfDrops(t *testing.T) {
	for _, audited := range []bool{false, true} {
		d := drops.Drop{Time: time.Now(), Node: "n1", Port: "tcp/80", Packets: 1, Audited: audited,
			IsolatedBy: []string{"shop/deny"}, To: drops.End{Pod: "shop/db"}}
		kubeconfig := agentstest.Server{Items: map[string]string{"nodes": fleetNodes, "pods": fleetPods},
			Agents: map[string]http.Handler{"n1": paths{agent.DropsPath: d}}}.Start(t)
		code, stdout, stderr := picket("drops", "--kubeconfig", kubeconfig)
		if want := map[bool]int{false: 1, true: 0}[audited]; code != want || !strings.Contains(stdout,
			"shop/db") {
			t.Errorf("audited %t: exit code %d, %s%s", audited, code, stdout, stderr)
		}
	}
}

// Rules come as nft prints them where the kernel is known to hold them, and only there.
func TestKernelOfAFleetAsNft(t *testing.T) {
	args := []string{"kernel", "db", "-o", "nft", "--kubeconfig"}
	code, stdout, stderr := picket(append(args, startFleet(t, 4, true))...)
	if code != 0 || stderr != "" || !strings.Contains(stdout, `
	map ingress4 {
		type ipv4_addr : verdict
		elements = { 10.0.2.2 comment "ingress/shop/db" : jump ingress/shop/db }
	}
	chain ingress/shop/db {
`) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = picket(append(args, startFleet(t, 4, false))...)
	if code != 1 || stdout != "" || !strings.Contains(stderr, "~ chain ingress/shop/db") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
