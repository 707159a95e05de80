package why

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset"
)

// isolated is a node whose kernel denies everything to one pod, and what was found of that.
func isolated(change func(*agent.State)) *agent.State {
	pod := netip.MustParseAddr("10.244.1.5")
	in := ruleset.NewChainID(ruleset.Ingress, "shop", "db")
	chain := ruleset.Chain{ID: in, Direction: ruleset.Ingress, Subject: "shop/db",
		Policies: []string{"shop/deny"}}
	s := &agent.State{API: agent.API, Node: "n1", Denied: map[ruleset.ChainID]uint64{in: 41},
		Program: &ruleset.Program{Chains: []ruleset.Chain{chain},
			Dispatch: []ruleset.Dispatch{{Direction: ruleset.Ingress, Addr: pod, Chain: in}}},
		Observed: &ruleset.Observed{Condition: ruleset.Intact, Chains: map[ruleset.ChainID]string{in: chain.Digest()},
			Dispatch: map[ruleset.Subject]ruleset.ChainID{{Direction: ruleset.Ingress, Addr: pod}: in}}}
	if change != nil {
		change(s)
	}
	return s
}

// What the kernel does is told, and where it does not do what the policies say, that is the answer.
func TestKernelAgainstPolicies(t *testing.T) {
	flow := ruleset.Flow{From: netip.MustParseAddr("10.244.1.9"), To: netip.MustParseAddr("10.244.1.5"),
		Proto: ruleset.TCP, Port: 5432}
	free := func(s *agent.State) {
		s.Program, s.Observed = &ruleset.Program{}, &ruleset.Observed{Condition: ruleset.Intact}
	}
	tampered := func(s *agent.State) {
		for id := range s.Observed.Chains {
			s.Observed.Chains[id] = "another"
		}
	}
	noFrame := func(s *agent.State) { s.Observed.Condition = ruleset.Damaged }
	members := func(s *agent.State) {
		peers := ruleset.SetID{Family: ruleset.IPv4, Key: "peers"}
		s.Program.Sets = []ruleset.Set{{ID: peers}}
		s.Observed.Sets = map[ruleset.SetID][]ruleset.Member{peers: {{Addr: flow.From}}}
	}
	for what, test := range map[string]struct {
		state    *agent.State
		err      error
		verdict  string
		denied   uint64
		disagree string // empty: they agree
	}{
		"as it should be": {isolated(nil), nil, Denied, 41, ""},
		"not there yet":   {isolated(free), nil, Allowed, 0, "n1 has it allowed for ingress"},
		"others' rules":   {isolated(tampered), nil, Denied, 41, "n1 does not hold the rules"},
		"no hook leads to them": {isolated(noFrame), nil, Denied, 41,
			"n1 does not hold the rules that it should: ~ frame"},
		"another's address in a set": {isolated(members), nil, Denied, 41,
			"n1 does not hold the rules that it should: - pods4-peers 10.244.1.9"},
		"nobody to be asked": {nil, errors.New("no agent"), "", 0, ""},
	} {
		a := Answer{flow: flow, Verdict: Denied, Directions: []Half{
			{Direction: "egress", Verdict: Allowed, Subject: "mon/exporter"},
			{Direction: "ingress", Verdict: Denied, Subject: "shop/db", Node: "n1"}}}
		if nodes := a.Nodes(); len(nodes) != 1 || nodes[0] != "n1" {
			t.Fatalf("%q", nodes)
		}
		a.Compare([]agent.Answer[*agent.State]{{Node: "n1", Value: test.state, Err: test.err}})
		if len(a.Kernel) != 1 {
			t.Fatalf("%s: %+v", what, a.Kernel)
		}
		k := a.Kernel[0]
		if k.Asked != (test.err == nil) || k.Verdict != test.verdict || k.Denied != test.denied {
			t.Errorf("%s: %+v", what, k)
		}
		got := strings.Join(a.Disagreement(), "; ")
		if (got == "") != (test.disagree == "") || !strings.Contains(got, test.disagree) {
			t.Errorf("%s: %q; expected %q", what, got, test.disagree)
		}
	}
}
