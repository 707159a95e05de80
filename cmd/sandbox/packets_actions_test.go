package sandbox_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// What rules that deny and pass do to packets is what Decide says. What a rule denies gets no
// answer, also where the end of its chain refuses.
func TestActionsOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	pod := func(name, node, addr string) netip.Addr {
		a := netip.MustParseAddr(addr)
		r.must(r.AddPod(sandbox.Pod{Name: name, Node: node, Addrs: []netip.Addr{a}}))
		return a
	}
	web, far := pod("a/web", "n1", "10.244.1.5"), pod("a/far", "n2", "10.244.2.5")
	program := withActions(web, far)
	backend := nft.Open(nft.Options{NetNS: int(r.agents["n1"].ns.Fd())})
	defer backend.Close()
	have, err := backend.Observe(t.Context())
	r.must(err)
	r.must(backend.Apply(t.Context(), ruleset.Diff(have, program)))
	var probes []sandbox.Probe
	var want []string
	for port := uint16(1); port <= 9; port++ {
		for _, p := range []sandbox.Probe{{From: "a/far", To: "a/web", Addr: web},
			{From: "a/web", To: "a/far", Addr: far}} {
			p.Protocol, p.Port = sandbox.TCP, port
			r.must(r.Serve(p.To, p.Protocol, p.Port))
			probes = append(probes, p)
			from := map[string]netip.Addr{"a/web": web, "a/far": far}[p.From]
			verdict, trace := program.Decide(ruleset.Flow{From: from, To: p.Addr,
				Proto: ruleset.TCP, Port: port})
			outcome := sandbox.Open
			if last := trace[len(trace)-1]; verdict == ruleset.Denied && len(last.Reason) > 0 {
				outcome = sandbox.Silent
			} else if verdict == ruleset.Denied {
				outcome = sandbox.Refused
			}
			want = append(want, fmt.Sprintf("%s: %s", trace, outcome))
		}
	}
	outcomes := r.run(long, probes)
	for i, outcome := range outcomes {
		if got := want[i]; got[len(got)-len(outcome.String()):] != outcome.String() {
			t.Errorf("%s > %s %d is %s, want %s", probes[i].From, probes[i].To, probes[i].Port, outcome,
				got)
		}
	}
	if t.Failed() {
		t.Log(r.table("n1"))
	}
}

// withActions is the program of a node with one pod, which speaks to another one. Each port has a
// way of its own through its chains.
func withActions(pod, other netip.Addr) *ruleset.Program {
	p := &ruleset.Program{}
	for _, d := range ruleset.Directions {
		rule := func(a ruleset.Action, ports ...uint16) ruleset.Rule {
			r := ruleset.Rule{Proto: ruleset.TCP, Action: a,
				Peer:    ruleset.InPrefix(netip.PrefixFrom(other, 32)),
				Origins: []ruleset.Origin{{Policy: "a/" + a.String(), Direction: d}}}
			for _, port := range ports {
				r.Ports = append(r.Ports, ruleset.PortRange{First: port, Last: port})
			}
			return r
		}
		id := ruleset.NewChainID(d, "a", "web")
		ports := ruleset.Set{ID: ruleset.PortsOf(id)}
		tier := ruleset.Chain{ID: ruleset.ChainID("tier/" + d.String()), Direction: d,
			End: ruleset.EndGoBack, Steps: ruleset.Steps{rule(ruleset.Accept, 1),
				rule(ruleset.Pass, 2, 4), rule(ruleset.Deny, 1, 2, 3), ruleset.Lookup{Set: ports.ID}}}
		own := ruleset.Chain{ID: id, Direction: d, Subject: "a/web", End: ruleset.EndReject,
			Steps: ruleset.Steps{ruleset.Call{Chain: tier.ID}, rule(ruleset.Accept, 2, 3, 5, 6)}}
		if d == ruleset.Egress {
			own.End = ruleset.EndAccept
		}
		for a, port := range map[ruleset.Action]uint16{ruleset.Deny: 5, ruleset.Pass: 6,
			ruleset.Accept: 7} {
			peers := ruleset.Chain{ID: ruleset.NewPeersID(d, a.String()), Direction: d,
				End: ruleset.EndGoBack, Steps: ruleset.Steps{ruleset.Rule{Action: a}}}
			p.Chains = append(p.Chains, peers)
			ports.Members = append(ports.Members, ruleset.Member{Proto: ruleset.TCP, Port: port,
				Chain: peers.ID, Reason: ruleset.Reason(fmt.Sprintf("a/p %s[%d]", d, port))})
		}
		p.Chains = append(p.Chains, own, tier)
		p.Sets = append(p.Sets, ports)
		p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: d, Addr: pod, Chain: id})
	}
	for i := range p.Sets {
		slices.SortFunc(p.Sets[i].Members, ruleset.Member.Compare)
	}
	p.Sort()
	return p
}
