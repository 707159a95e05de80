package cli

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/status"
)

// What an agent says of its node fits 80 columns, with what people have to see to first.
func TestNodePage(t *testing.T) {
	t.Setenv("TZ", "UTC")
	now := time.Date(2030, 1, 1, 12, 3, 21, 0, time.Local)
	ready := agent.Status{Version: "v0.2.0", Node: "node-3", Kernel: "6.1.0", Pods: 41,
		Started: now.Add(-90 * time.Minute), Committed: now.Add(-134 * time.Second),
		Readiness: agent.Readiness{Ready: true, Backend: "nftables", Table: "owned"},
		Policies:  []agent.Revision{{Policy: "shop/api", Generation: 1, Since: now}}}
	ready.Silence = map[string]time.Duration{"pods": 400 * time.Millisecond, "nodes": 52 * time.Second,
		"namespaces": 3 * time.Second}
	bad := ready
	bad.Silence = map[string]time.Duration{"pods": 4 * time.Minute, "nodes": time.Second}
	bad.NotReadySince, bad.Repairs = now.Add(-134*time.Second), 3
	bad.Readiness = agent.Readiness{Backend: "nftables", Table: "watched",
		Reasons: map[string]string{"host": "net.bridge.bridge-nf-call-iptables is 0, so traffic between " +
			"pods of this node can't be filtered; run: sysctl -w net.bridge.bridge-nf-call-iptables=1"},
		Warnings:    map[string]string{"flowtable inet x f": "packets pass by the rules"},
		KernelLacks: []string{"table_owner (Linux 6.9): changes by others are repaired"}}
	bad.Others = []string{"kube-router (chain KUBE-POD-FW-ABC)"}
	bad.Policies = append(bad.Policies, agent.Revision{Policy: "shop/db", Waiting: 2})
	silent := ready
	silent.Silence = map[string]time.Duration{"pods": 10 * time.Minute, "nodes": time.Second}
	silent.OthersUnknown = []string{"list chains: not permitted"}
	for _, test := range []struct {
		status agent.Status
		well   bool
		want   string
	}{
		{silent, false, `node-3  READY, the rules of 12:01:07 are in force (41 pods)

  ?  others       list chains: not permitted
  ok agent        version v0.2.0 for 1h30m, rules held by nftables
  !  API          nothing was heard of pods for 10m; expected a word about every
                  minute: changes may be missing
  ok rules        the kernel refuses changes by others
  ok policies     1 is in force
`},
		{ready, true, `node-3  READY, the rules of 12:01:07 are in force (41 pods)

  ok others       no sign of another program that enforces policies
  ok agent        version v0.2.0 for 1h30m, rules held by nftables
  ok API          last event 400ms ago; of nodes 52s ago
  ok rules        the kernel refuses changes by others
  ok policies     1 is in force
`},
		{bad, false, `node-3  NOT READY for 2m14s, the rules of 12:01:07 are in force (41 pods)

  x  host         net.bridge.bridge-nf-call-iptables is 0, so traffic between
                  pods of this node can't be filtered; run: sysctl -w
                  net.bridge.bridge-nf-call-iptables=1
  !  flowtable inet x f packets pass by the rules
  !  kernel 6.1.0 table_owner (Linux 6.9): changes by others are repaired
  !  others       enforces policies here, too: kube-router (chain
                  KUBE-POD-FW-ABC)
  ok agent        version v0.2.0 for 1h30m, rules held by nftables
  !  API          nothing was heard of pods for 4m; expected a word about every
                  minute: changes may be missing
  ok rules        watched: what others change is repaired, 3 times so far
  ok policies     1 is in force, 1 on the way into the kernel
`},
	} {
		n := newNodeReport(&test.status, now)
		p := newPage(&strings.Builder{})
		p.node(n)
		if diff := cmp.Diff(test.want, p.String()); diff != "" || n.Well != test.well {
			t.Errorf("well: %t\n%s", n.Well, diff)
		}
	}
}

// What was looked at is told by how bad it is.
func TestCheckPage(t *testing.T) {
	p := newPage(&strings.Builder{})
	p.check(checkReport{Parts: []looked{{"kube-proxy", fine, "mode nftables"},
		{"br_netfilter", amiss, "the kernel module is not loaded: pods of one bridge pass unseen; load " +
			"it: modprobe br_netfilter"}, {"kernel 6.1.0", warned, "no table ownership"},
		{"packets", unclear, "none could be sent"}}})
	want := `  x  br_netfilter the kernel module is not loaded: pods of one bridge pass
                  unseen; load it: modprobe br_netfilter
  ?  packets      none could be sent
  !  kernel 6.1.0 no table ownership
  ok kube-proxy   mode nftables

Picket cannot be relied on here until this is seen to.
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Error(diff)
	}
}

// SCHEMA.md names each field of these answers for programs.
func TestAgentSchemas(t *testing.T) {
	text, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []any{status.Fleet{}, status.Policy{}, nodeReport{}, agent.Status{},
		checkReport{}, liveReport{}, diffReport{}, kernelsReport{}, unasked{}} {
		for _, name := range jsonNames(answer) {
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("%T: SCHEMA.md does not name %s", answer, name)
			}
		}
	}
}
