//go:build linux

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset"
)

// The rules of a pod fit 80 columns, and say at once whether the kernel holds them.
func TestKernelPage(t *testing.T) {
	pod := agent.PodRules{Pod: "shop/backend", Node: "node-2",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.2.11")},
		Directions: []agent.Rules{{Direction: ruleset.Ingress, Denied: 41,
			IsolatedBy: []string{"shop/api", "shop/default-deny"}, Rows: []agent.Row{
				{Verdict: "allow", Peer: "pods app=frontend in namespace shop", Addresses: 4,
					Port: "tcp/8080", By: "api ingress[0], web ingress[2]"},
				{Verdict: "allow", Peer: "itself", Port: "any", By: "itself"}}}}}
	right := kernelReport{Node: "node-2", Right: true, Pods: []agent.PodRules{pod}}
	wrong := right
	wrong.Right, wrong.Missing = false, []string{"~ chain ingress/shop/backend"}
	pod.Differs = []string{"ingress/shop/backend: the rules are others"}
	wrong.Pods = []agent.PodRules{pod}
	audit := agent.PodRules{Pod: "shop/web", Node: "node-2", Directions: []agent.Rules{{
		AuditedBy: []string{"shop/try"}, End: ruleset.EndAudit, Audited: 7}}}
	audited := kernelReport{Node: "node-2", Right: true, Pods: []agent.PodRules{audit}}
	for name, test := range map[string]struct {
		report kernelReport
		full   bool
		want   string
	}{
		"one pod": {right, true, `shop/backend  10.244.2.11  on node-2: as it should be

INGRESS  isolated by api, default-deny
  VERDICT  PORT      BY         FROM
  allow    tcp/8080  api[0] +1  pods app=frontend in namespace shop: 4 addresses
  allow    any       itself     itself
  drop     any       -          everybody else: 41 packets
`},
		"all pods": {right, false, `POD           INGRESS   EGRESS  DENIED  ISOLATED BY
shop/backend  isolated  free        41  api, default-deny
`},
		"an audited pod": {audited, true, `shop/web    on node-2: as it should be

INGRESS  audited by try
  VERDICT  PORT  BY  FROM
  audit    any   -   everybody else: 7 packets
`},
		"all pods, one audited": {audited, false, `POD       INGRESS  EGRESS  DENIED  ISOLATED BY
shop/web  audited  free         0  try (audited)
`},
		"one pod without rules": {kernelReport{Node: "node-2", Right: true,
			Pods: []agent.PodRules{{Pod: "shop/bakend", Node: "node-2"}}}, true,
			`shop/bakend  on node-2: no rules: no policy isolates it, or it is no pod of this
  node
`},
		"no pod": {kernelReport{Node: "node-1", Right: true}, false,
			"no policy isolates a pod of node-1\n"},
		"one that differs": {wrong, false,
			`POD           INGRESS   EGRESS  DENIED  ISOLATED BY
shop/backend  isolated  free        41  api, default-deny

The kernel does not hold what it should of node-2: the agent repairs it, or says
  in /readyz why it cannot
  ~ chain ingress/shop/backend
`},
	} {
		p := newPage(&strings.Builder{})
		p.kernel(test.report, test.full)
		if diff := cmp.Diff(test.want, p.String()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	p := newPage(&strings.Builder{})
	p.podRules(pod)
	if !strings.Contains(p.String(), "not as it should be\n  ! ingress/shop/backend: the rules are") {
		t.Errorf("%s", p.String())
	}
}

// Rules that are not known, or that nft would read as something else, are not printed.
func TestKernelAsNftOfAHostileAgent(t *testing.T) {
	in := ruleset.NewChainID(ruleset.Ingress, "shop", "db")
	rule := ruleset.Rule{Action: ruleset.Deny}
	for what, test := range map[string]struct {
		change func(*agent.State, *ruleset.Chain)
		want   string // of the error, or of what is printed
	}{
		"as it should be": {func(*agent.State, *ruleset.Chain) {}, "\tchain ingress/shop/db {\n"},
		"an agent of before": {func(s *agent.State, _ *ruleset.Chain) { s.Backend = "" },
			"does not say what holds its rules"},
		"iptables": {func(s *agent.State, _ *ruleset.Chain) { s.Backend = "iptables" },
			"are held by iptables"},
		"others' rules": {func(s *agent.State, _ *ruleset.Chain) { s.Observed.Condition = ruleset.Damaged },
			"does not hold what it should"},
		"a chain that is two": {func(_ *agent.State, c *ruleset.Chain) { c.ID = "a { }; flush ruleset" },
			"is no name of rules"},
		"a set that is two": {func(_ *agent.State, c *ruleset.Chain) {
			rule.Peer = ruleset.InSet(ruleset.SetID{Key: "x\ninclude \"/etc/shadow\""})
		}, "is no name of rules"},
		"an address that is two": {func(s *agent.State, _ *ruleset.Chain) {
			at := netip.MustParseAddr("fe80::1%x }; flush ruleset")
			s.Program.Dispatch = []ruleset.Dispatch{{Addr: at, Chain: in}}
			s.Observed.Dispatch = map[ruleset.Subject]ruleset.ChainID{{Addr: at}: in}
		}, "is no name of rules"},
		"a comment that ends": {func(_ *agent.State, c *ruleset.Chain) {
			c.Policies = []string{`shop/a"; flush ruleset; "`}
		}, "comments that nft cannot read"},
	} {
		rule.Peer = ruleset.Peer{}
		chain := ruleset.Chain{ID: in, Direction: ruleset.Ingress, Subject: "shop/db"}
		s := &agent.State{API: agent.API, Version: "v2", Node: "n2", Backend: "nftables",
			Program: &ruleset.Program{}, Observed: &ruleset.Observed{Condition: ruleset.Intact}}
		test.change(s, &chain)
		chain.Steps = ruleset.Steps{rule}
		s.Program.Chains = []ruleset.Chain{chain}
		s.Observed.Chains = map[ruleset.ChainID]string{chain.ID: chain.Digest()}
		var o kernelOptions
		var out, problem strings.Builder
		err := o.printNft(&out, &problem, s, []string{"shop/db"})
		if text := fmt.Sprint(&out, &problem, err); !strings.Contains(text, test.want) ||
			strings.Contains(text, "nft cannot") != (what == "a comment that ends") ||
			(err == nil) != (what == "as it should be") || err != nil && out.Len() > 0 {
			t.Errorf("%s: %s", what, text)
		}
	}
}

// SCHEMA.md names each field of the answer for programs.
func TestKernelSchema(t *testing.T) {
	text, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Kernel")
	for _, part := range []any{kernelReport{}, agent.PodRules{}, agent.Rules{}, agent.Row{}} {
		for i := range reflect.TypeOf(part).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(part).Field(i).Tag.Get("json"), ",")
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("%T: SCHEMA.md does not name %s", part, name)
			}
		}
	}
	// The pods are one with rules of no peer, and one that nobody isolates; a node can have none.
	id := ruleset.NewChainID(ruleset.Ingress, "shop", "db")
	state := &agent.State{Observed: &ruleset.Observed{}, Program: &ruleset.Program{
		Chains: []ruleset.Chain{{ID: id, Subject: "shop/db"}}}}
	empty := &agent.State{Observed: &ruleset.Observed{}, Program: &ruleset.Program{}}
	for _, report := range []kernelReport{newKernelReport(state, []string{"shop/db", "shop/web"}),
		newKernelReport(empty, nil)} {
		text, err := json.Marshal(report)
		if must(t, err); strings.Contains(string(text), "null") {
			t.Errorf("null in %s", text)
		}
	}
}

// On a node a name without a namespace is in that of -n, whichever program is asked, and a pod
// without rules is not said to be right.
func TestKernelHere(t *testing.T) {
	t.Setenv("KUBECONFIG", "none")
	id := ruleset.NewChainID(ruleset.Ingress, "shop", "db")
	chain := ruleset.Chain{ID: id, Subject: "shop/db", Policies: []string{"shop/deny"}}
	state := agent.State{API: agent.API, Node: "n1",
		Program: &ruleset.Program{Chains: []ruleset.Chain{chain}},
		Observed: &ruleset.Observed{Condition: ruleset.Intact,
			Chains: map[ruleset.ChainID]string{id: chain.Digest()}}}
	here := newNetns(t)
	must(t, here.Do(func() error {
		listener, err := net.Listen("unix", agent.Socket)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(state)
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		return nil
	}))
	for line, want := range map[string]string{
		"kernel shop/db":    "shop/db    on n1: as it should be",
		"kernel db -n shop": "shop/db    on n1: as it should be",
		"kernel db":         "default/db  on n1: no rules",
		"kernel shop/bd":    "shop/bd  on n1: no rules",
		"kernel a/b/c":      `"a/b/c": expected NAMESPACE/NAME`,
	} {
		for _, run := range []func([]string, io.Reader, io.Writer, io.Writer) int{Main, NodeMain} {
			var out, problem strings.Builder
			must(t, here.Do(func() error {
				run(strings.Fields(line), strings.NewReader(""), &out, &problem)
				return nil
			}))
			text := out.String() + problem.String()
			if !strings.Contains(text, want) || strings.Contains(text, "should be") !=
				strings.Contains(want, "should be") {
				t.Errorf("%s: %s", line, text)
			}
		}
	}
}
