package agent

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/picket-project/picket/ruleset"
)

// sample is a pod that two policies isolate, with a rule of a set in both families, a port that is
// looked up, a range of addresses, and itself.
func sample() *State {
	pod := netip.MustParseAddr("10.244.1.5")
	in := ruleset.NewChainID(ruleset.Ingress, "shop", "web")
	peers := ruleset.NewPeersID(ruleset.Ingress, "sample")
	origin := func(policy string) []ruleset.Origin {
		return []ruleset.Origin{{Policy: policy, Direction: ruleset.Ingress}}
	}
	clients := func(f ruleset.Family) ruleset.SetID {
		return ruleset.SetID{Kind: ruleset.Addresses, Family: f, Key: "clients"}
	}
	p := &ruleset.Program{
		Sets: []ruleset.Set{
			{ID: clients(ruleset.IPv4), Comment: "pods app=client",
				Members: []ruleset.Member{{Addr: netip.MustParseAddr("10.244.1.9")}}},
			{ID: clients(ruleset.IPv6), Comment: "pods app=client",
				Members: []ruleset.Member{{Addr: netip.MustParseAddr("fd00::9")}}},
			{ID: ruleset.PortsOf(in), Members: []ruleset.Member{
				{Proto: ruleset.TCP, Port: 443, Chain: peers, Reason: "shop/api ingress[1]"}}},
		},
		Chains: []ruleset.Chain{
			{ID: peers, Direction: ruleset.Ingress, End: ruleset.EndGoBack, Steps: ruleset.Steps{
				ruleset.Rule{Peer: ruleset.InPrefix(netip.MustParsePrefix("10.0.0.0/8"))}}},
			{ID: in, Direction: ruleset.Ingress, Subject: "shop/web", Policies: []string{"shop/api",
				"shop/deny"}, Steps: ruleset.Steps{
				ruleset.Lookup{Set: ruleset.PortsOf(in)},
				ruleset.Rule{Peer: ruleset.InSet(clients(ruleset.IPv4)), Proto: ruleset.TCP,
					Ports: []ruleset.PortRange{{First: 80, Last: 80}}, Origins: origin("shop/api")},
				ruleset.Rule{Peer: ruleset.InSet(clients(ruleset.IPv6)), Proto: ruleset.TCP,
					Ports: []ruleset.PortRange{{First: 80, Last: 80}}, Origins: origin("shop/api")},
				ruleset.Rule{Peer: ruleset.InPrefix(netip.PrefixFrom(pod, 32)),
					Origins: []ruleset.Origin{{}}},
				ruleset.Rule{Action: ruleset.Deny, Origins: origin("other/late")},
			}},
		},
		Dispatch: []ruleset.Dispatch{{Direction: ruleset.Ingress, Addr: pod, Chain: in}},
	}
	p.Sort()
	held := &ruleset.Observed{Condition: ruleset.Intact, Chains: map[ruleset.ChainID]string{},
		Dispatch: map[ruleset.Subject]ruleset.ChainID{{Direction: ruleset.Ingress, Addr: pod}: in}}
	for _, c := range p.Chains {
		held.Chains[c.ID] = c.Digest()
	}
	return &State{API: API, Version: "v1", Node: "n1", Program: p, Observed: held,
		Denied: map[ruleset.ChainID]uint64{in: 41}}
}

// The policies of a chain that audits isolate nobody, and its count is not one of denied packets.
func TestPodRulesOfAnAudit(t *testing.T) {
	id := ruleset.NewChainID(ruleset.Egress, "shop", "web")
	s := sample()
	s.Program = &ruleset.Program{Chains: []ruleset.Chain{{ID: id, Direction: ruleset.Egress,
		Subject: "shop/web", End: ruleset.EndAudit, Policies: []string{"shop/try"}}}}
	s.Audited = map[ruleset.ChainID]uint64{id: 7}
	got := s.PodRules("shop/web").Directions[0]
	if len(got.IsolatedBy) != 0 || len(got.AuditedBy) != 1 || got.AuditedBy[0] != "shop/try" ||
		got.Audited != 7 || got.Denied != 0 || got.End != ruleset.EndAudit {
		t.Errorf("%+v", got)
	}
}

// The rules of a pod are told in names, whatever chains and sets they are made of.
func TestPodRules(t *testing.T) {
	got := sample().PodRules("shop/web")
	want := PodRules{Pod: "shop/web", Node: "n1",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.5")}, Differs: []string{},
		Directions: []Rules{{Direction: ruleset.Ingress, IsolatedBy: []string{"shop/api", "shop/deny"},
			AuditedBy: []string{}, Denied: 41, Rows: []Row{
				{"allow", "10.0.0.0/8", 0, "tcp/443", "api ingress[1]"},
				{"allow", "pods app=client", 2, "tcp/80", "api ingress[0]"},
				{"allow", "itself", 0, "any", "itself"},
				{"deny", "everybody", 0, "any", "other/late ingress[0]"},
			}}}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if free := sample().PodRules("shop/other"); len(free.Directions)+len(free.Differs) > 0 {
		t.Errorf("a pod that nobody isolates: %+v", free)
	}
	if pods := sample().Pods(); !slices.Equal(pods, []string{"shop/web"}) {
		t.Errorf("%q", pods)
	}
}

// What the kernel holds otherwise is found, chain by chain.
func TestDifferences(t *testing.T) {
	in := ruleset.NewChainID(ruleset.Ingress, "shop", "web")
	for what, change := range map[string]func(*ruleset.Observed){
		"the rules are not there": func(o *ruleset.Observed) { delete(o.Chains, in) },
		"the rules are others":    func(o *ruleset.Observed) { o.Chains[in] = "another" },
		"packets of 10.244.1.5 are not led to the rules": func(o *ruleset.Observed) {
			clear(o.Dispatch)
		},
	} {
		s := sample()
		change(s.Observed)
		got := s.PodRules("shop/web").Differs
		if len(got) != 1 || !strings.HasSuffix(got[0], what) {
			t.Errorf("%s: %q", what, got)
		}
		if d := s.Differences(); d.Empty() {
			t.Errorf("%s: nothing is to be done", what)
		}
	}
}

// The state arrives as it was sent, and one of another version says so.
func TestStateTravels(t *testing.T) {
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	got := &State{}
	if err := json.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(sample().PodRules("shop/web"), got.PodRules("shop/web"),
		cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	got.API = 2
	if err := got.Check(); err == nil || !strings.Contains(err.Error(), "version v1") {
		t.Errorf("%v", err)
	}
}
