package ruleset

import (
	"slices"
	"testing"
)

// auditWorld is a program with the chain of a pod that has these rules and this end, and looks a
// port up.
func auditWorld(end End, rule Rule, ports ...Member) *Program {
	id := ChainID("ingress/a/x")
	peers := Chain{ID: "peers/ingress-x", Direction: Ingress, Steps: Steps{Rule{}}, End: EndGoBack}
	p := &Program{
		Sets: []Set{{ID: PortsOf(id), Members: ports}},
		Chains: []Chain{peers, {ID: id, Direction: Ingress, Subject: "a/x",
			Steps: Steps{Lookup{PortsOf(id)}, rule}, End: end, Policies: []string{"a/p"}}},
		Dispatch: []Dispatch{{Ingress, addr("10.0.0.5"), id}},
	}
	p.Sort()
	return p
}

// portOf80 leads port 80 to a chain that allows everybody.
var portOf80 = Member{Proto: TCP, Port: 80, Chain: "peers/ingress-x", Reason: "a/p ingress[0]"}

// What a rule allows is not audited, neither by a port nor by a peer; all else is let through and
// counted, in its own direction alone.
func TestDecideAudits(t *testing.T) {
	p := auditWorld(EndAudit, Rule{Peer: InPrefix(prefix("10.0.0.8/32"))}, portOf80)
	for f, want := range map[Flow]bool{
		{From: addr("10.0.0.8"), To: addr("10.0.0.5"), Proto: TCP, Port: 81}: false,
		{From: addr("10.0.0.9"), To: addr("10.0.0.5"), Proto: TCP, Port: 80}: false,
		{From: addr("10.0.0.9"), To: addr("10.0.0.5"), Proto: TCP, Port: 81}: true,
		{From: addr("10.0.0.9"), To: addr("10.0.0.5")}:                       true,
	} {
		verdict, trace := p.Decide(f)
		if verdict != Allowed || trace[0].Audited || trace[1].Audited != want {
			t.Errorf("%s: %s, %v; want audited %t", f, verdict, trace, want)
		}
	}
}

// A chain says of its policies whether they isolate.
func TestTextOfAnAuditedChain(t *testing.T) {
	c := Chain{ID: "ingress/a/x", End: EndAudit, Policies: []string{"a/p", "a/q"}}
	p := Program{Chains: []Chain{c}}
	if got, want := p.String(), "chain ingress/a/x\n  audit  # audited: a/p, a/q\n"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// Until all was read, no chain that is there begins to audit, and no subject of another chain gets
// one that audits. A subject that was free is audited at once.
func TestIsolatingPartDoesNotAudit(t *testing.T) {
	denied := Flow{From: addr("10.0.0.9"), To: addr("10.0.0.5"), Proto: TCP, Port: 80}
	enforced := auditWorld(EndDrop, Rule{Peer: InPrefix(prefix("10.0.0.8/32"))})
	other := Chain{ID: "ingress/a/y", Direction: Ingress, Subject: "a/y", End: EndAudit}
	for name, want := range map[string]*Program{
		"its own chain":       auditWorld(EndAudit, Rule{Proto: TCP}, portOf80),
		"the chain of others": {Chains: []Chain{other}, Dispatch: []Dispatch{{Ingress, denied.To, other.ID}}},
	} {
		for _, otherIsThere := range []bool{false, true} {
			have := *enforced
			if otherIsThere {
				have.Chains = append(slices.Clone(have.Chains), other)
			}
			m := &Memory{}
			d := Diff(Observed{}, &have)
			if err := m.Apply(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d = Diff(observe(t, m), want)
			if err := m.Apply(t.Context(), d.Isolating(want)); err != nil {
				t.Fatal(err)
			}
			if verdict, trace := m.Program().Decide(denied); verdict == Allowed {
				t.Errorf("%s: %v", name, trace)
			}
			// The rest follows once all was read.
			if err := m.Apply(t.Context(), Diff(observe(t, m), want)); err != nil {
				t.Fatal(err)
			}
			if verdict, trace := m.Program().Decide(denied); verdict == Denied {
				t.Errorf("%s, whole: %v", name, trace)
			}
		}
	}
	want := auditWorld(EndAudit, Rule{Proto: UDP})
	m := &Memory{}
	if err := m.Apply(t.Context(), Diff(Observed{}, want).Isolating(want)); err != nil {
		t.Fatal(err)
	}
	if _, trace := m.Program().Decide(denied); !trace[1].Audited {
		t.Errorf("free before: %v", trace)
	}
}
