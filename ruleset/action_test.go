package ruleset

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What becomes of a packet to each port that reaches the steps of a chain: the first that decides
// is the one that counts, and what passes goes on behind the step that led there.
func TestDecideByActions(t *testing.T) {
	rule := func(a Action, policy string, ports ...uint16) Rule {
		r := Rule{Proto: TCP, Action: a, Origins: []Origin{{policy, Ingress, 0}}}
		for _, p := range ports {
			r.Ports = append(r.Ports, PortRange{p, p})
		}
		return r
	}
	byPort := Set{ID: PortsOf("ingress/a/x"), Members: []Member{
		{Proto: TCP, Port: 10, Chain: "peers/deny", Reason: "t/map ingress[1]"},
		{Proto: TCP, Port: 11, Chain: "peers/pass", Reason: "t/map ingress[2]"},
		{Proto: TCP, Port: 12, Chain: "peers/allow", Reason: "t/map ingress[3]"},
	}}
	tier := Chain{ID: "tier", End: EndGoBack, Steps: Steps{
		rule(Accept, "t/one", 1), rule(Pass, "t/two", 2, 4), rule(Deny, "t/three", 1, 2, 3),
		Lookup{byPort.ID}, Call{"missing from 13 on"},
	}}
	inner := Chain{ID: "missing from 13 on", End: EndGoBack, Steps: Steps{
		rule(Pass, "t/four", 14), rule(Deny, "t/five", 13, 14)}}
	own := Chain{ID: "ingress/a/x", Steps: Steps{Call{"tier"}, rule(Accept, "a/p", 2, 3, 10, 11, 14)},
		End: EndReject}
	for port, want := range map[uint16]string{
		1:  "allow: t/one ingress[0]",
		2:  "allow: a/p ingress[0]",
		3:  "deny: t/three ingress[0]",
		4:  "deny: no rule in ingress/a/x",
		10: "deny: t/map ingress[1]",
		11: "allow: a/p ingress[0]",
		12: "allow: t/map ingress[3]",
		13: "deny: t/five ingress[0]",
		14: "allow: a/p ingress[0]",
		15: "deny: no rule in ingress/a/x",
	} {
		p := &Program{Sets: []Set{byPort}, Chains: []Chain{tier, inner, own},
			Dispatch: []Dispatch{{Ingress, addr("10.0.0.5"), own.ID}}}
		for _, a := range []Action{Accept, Deny, Pass} {
			peers := ChainID("peers/" + a.String())
			p.Chains = append(p.Chains, Chain{ID: peers, Steps: Steps{Rule{Action: a}},
				End: EndGoBack})
		}
		p.Sort()
		f := Flow{From: addr("10.0.0.9"), To: addr("10.0.0.5"), Proto: TCP, Port: port}
		wantTrace(t, p, f, "egress allow: not isolated; ingress "+want)
	}
}

// What no step decides about is up to the end, in a pod's own chain as in one that is called.
func TestDecideByEnds(t *testing.T) {
	f := Flow{From: addr("10.0.0.9"), To: addr("10.0.0.5")}
	for end, want := range map[End]string{
		EndDrop: "deny: no rule in x", EndReject: "deny: no rule in x",
		EndAccept: "allow: nothing in x denies", EndGoBack: "allow: nothing in x denies",
		EndAudit: "allow: audited, no rule in x",
	} {
		for _, called := range []bool{false, true} {
			p := &Program{Chains: []Chain{{ID: "x", End: end}},
				Dispatch: []Dispatch{{Ingress, f.To, "x"}}}
			if called {
				p.Chains = []Chain{{ID: "x", Steps: Steps{Call{"y"}}, End: EndGoBack},
					{ID: "y", End: end}}
			}
			wantTrace(t, p, f, "egress allow: not isolated; ingress "+want)
		}
	}
}

// Chains that lead in a circle deny.
func TestDecideInACircle(t *testing.T) {
	p := &Program{Chains: []Chain{{ID: "x", Steps: Steps{Call{"y"}}, End: EndAccept},
		{ID: "y", Steps: Steps{Call{"x"}}, End: EndAccept}},
		Dispatch: []Dispatch{{Ingress, addr("10.0.0.5"), "x"}}}
	wantTrace(t, p, Flow{From: addr("10.0.0.9"), To: addr("10.0.0.5")},
		"egress allow: not isolated; ingress deny: no rule in x")
	if got := p.reach("x", 0); got != anyAction {
		t.Errorf("a circle can do %b", got)
	}
}

// flows are between the addresses of the programs.
func flows() *rapid.Generator[Flow] {
	return rapid.Custom(func(t *rapid.T) Flow {
		return Flow{
			From: addresses().Draw(t, "from"), To: addresses().Draw(t, "to"),
			Proto: rapid.SampledFrom([]Protocol{AnyProtocol, TCP, UDP, SCTP}).Draw(t, "proto"),
			Port:  rapid.Uint16Range(0, 9).Draw(t, "port"),
		}
	})
}

// toSubjects are flows of which one end, in most, is dispatched by a program.
func toSubjects(p *Program) *rapid.Generator[Flow] {
	return rapid.Custom(func(t *rapid.T) Flow {
		f := flows().Draw(t, "flow")
		if len(p.Dispatch) == 0 {
			return f
		}
		switch e := rapid.SampledFrom(p.Dispatch).Draw(t, "subject"); e.Direction {
		case Ingress:
			f.To = e.Addr
		case Egress:
			f.From = e.Addr
		}
		return f
	})
}

// wantSame wants two programs to give one answer about flows.
func wantSame(t *rapid.T, p, q *Program) {
	for _, f := range rapid.SliceOfN(toSubjects(p), 20, 20).Draw(t, "flows") {
		was, _ := p.Decide(f)
		if is, trace := q.Decide(f); is != was {
			t.Fatalf("%s: %s, then %s: %v\n%s\n%s", f, was, is, trace, p, q)
		}
	}
}

// changed is a program in which one chain has other steps, if there is a chain.
func changed(t *rapid.T, p *Program, edit func(*rapid.T, Steps) Steps) *Program {
	q := *p
	if len(p.Chains) > 0 {
		q.Chains = slices.Clone(p.Chains)
		c := &q.Chains[rapid.IntRange(0, len(p.Chains)-1).Draw(t, "chain")]
		c.Steps = edit(t, slices.Clone(c.Steps))
	}
	return &q
}

func TestRulesWithOneActionCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		wantSame(t, p, changed(t, p, func(_ *rapid.T, list Steps) Steps {
			for i := 1; i < len(list); i++ {
				a, isRule := list[i-1].(Rule)
				b, areRules := list[i].(Rule)
				if isRule && areRules && a.Action == b.Action {
					list[i-1], list[i] = b, a
				}
			}
			return list
		}))
	})
}

// What stands behind a rule that matches the same and more is never reached.
func TestShadowedRulesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		wantSame(t, p, changed(t, p, func(t *rapid.T, list Steps) Steps {
			at := slices.IndexFunc(list, func(s Step) bool { _, is := s.(Rule); return is })
			if at < 0 {
				return list
			}
			shadowed := list[at].(Rule)
			shadowed.Action = actions().Draw(t, "other action")
			place := rapid.IntRange(at+1, len(list)).Draw(t, "place")
			return slices.Insert(list, place, Step(shadowed))
		}))
	})
}

// A call of a chain that passes nothing is what its steps are, in the place of the call.
func TestCallsAreTheStepsOfWhatTheyCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		wantSame(t, p, changed(t, p, func(_ *rapid.T, list Steps) (inline Steps) {
			for _, s := range list {
				call, is := s.(Call)
				called := p.chain(call.Chain)
				if is && called.End == EndGoBack && !called.Actions().Has(Pass) {
					inline = append(inline, called.Steps...)
				} else {
					inline = append(inline, s)
				}
			}
			return inline
		}))
	})
}

// some is a program with some of the members that its sets have.
func some(t *rapid.T, p *Program) *Program {
	q := *p
	q.Sets = slices.Clone(p.Sets)
	for i, s := range q.Sets {
		q.Sets[i].Members = slices.DeleteFunc(slices.Clone(s.Members), func(Member) bool {
			return rapid.Bool().Draw(t, "absent")
		})
	}
	return &q
}

// Members that come or go open and close no more than was said, whatever rules speak of them.
func TestMembersOpenAndCloseAsSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		a, b := some(t, p), some(t, p)
		d := Diff(observe(t, holding(t, a)), b)
		var opens, closes bool
		for _, change := range slices.Concat(d.AddMembers, d.DelMembers) {
			opens, closes = opens || change.Opens, closes || change.Closes
		}
		for _, f := range rapid.SliceOfN(toSubjects(b), 20, 20).Draw(t, "flows") {
			was, _ := a.Decide(f)
			is, _ := b.Decide(f)
			if is > was && !opens || is < was && !closes {
				t.Fatalf("%s: %s, then %s; opens %t, closes %t\n%s\n%s", f, was, is, opens, closes, b,
					d.String())
			}
		}
	})
}

// subjects returns who a chain of a program decides about, however it leads there.
func subjects(p *Program) func(ChainID) []netip.Addr {
	var leads func(from, to ChainID) bool
	leads = func(from, to ChainID) bool {
		c := p.chain(from)
		for call := range c.Calls() {
			if leads(call.Chain, to) {
				return true
			}
		}
		for lookup := range c.Lookups() {
			if slices.ContainsFunc(p.set(lookup.Set).Members, func(m Member) bool {
				return leads(m.Chain, to)
			}) {
				return true
			}
		}
		return from == to
	}
	return func(id ChainID) (addrs []netip.Addr) {
		for _, e := range p.Dispatch {
			if leads(e.Chain, id) {
				addrs = append(addrs, e.Addr)
			}
		}
		return addrs
	}
}

// What a change forbids is in its scope, and what it allows is touched, whatever rules do.
func TestScopeHasAllThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		if rapid.Bool().Draw(t, "the same chains") {
			keepChains(a, b)
		}
		if a.Strict = rapid.Bool().Draw(t, "strict"); a.Strict {
			b.Strict = true
			a.Sets, b.Sets = append(a.Sets, strictSets(t)...), append(b.Sets, strictSets(t)...)
		}
		a.Node = b.Node
		a.Sort()
		b.Sort()
		d := Diff(observe(t, holding(t, a)), b)
		forbidden, touched := ScopeOf(d, subjects(b)), TouchedBy(d, subjects(b))
		for _, f := range rapid.SliceOfN(rapid.OneOf(toSubjects(a), toSubjects(b)), 20, 20).Draw(t,
			"flows") {
			was, _ := a.Decide(f)
			is, _ := b.Decide(f)
			if is < was && !forbidden.Has(f.From) && !forbidden.Has(f.To) ||
				is != was && !touched.Has(f.From) && !touched.Has(f.To) {
				t.Fatalf("%s: %s, then %s, and is not in the scope of\n%s", f, was, is, d.String())
			}
		}
	})
}

// keepChains gives a program the chains of another, and the sets with the members of its own: a
// kernel in which only peers and subjects change.
func keepChains(p, from *Program) {
	own := p.Sets
	p.Chains, p.Dispatch = from.Chains, nil
	p.Sets = slices.Clone(from.Sets)
	for i, s := range p.Sets {
		at := slices.IndexFunc(own, func(o Set) bool { return o.ID == s.ID })
		if at >= 0 && !s.ID.Leads() {
			p.Sets[i] = own[at]
		}
	}
	for i, e := range from.Dispatch {
		if i%2 == 0 {
			p.Dispatch = append(p.Dispatch, e)
		}
	}
}

func strictSets(t *rapid.T) []Set {
	known := rapid.SliceOfNDistinct(addressesOf(IPv4), 0, 9, rapid.ID).Draw(t, "known")
	slices.SortFunc(known, netip.Addr.Compare)
	bits := rapid.IntRange(26, 28).Draw(t, "bits")
	return StrictSets([]netip.Prefix{netip.PrefixFrom(nth(IPv4, 0), bits)}, known)
}

// The isolating part of a delta allows nothing that the whole of it does not.
func TestIsolatingPartAllowsNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		if rapid.Bool().Draw(t, "the same chains") {
			keepChains(a, b)
		}
		b.Node = nil
		m := holding(t, a)
		d := Diff(observe(t, m), b).Isolating(b)
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatalf("%v\n%s", err, d.String())
		}
		for _, f := range rapid.SliceOfN(rapid.OneOf(toSubjects(a), toSubjects(b)), 20, 20).Draw(t,
			"flows") {
			if v, trace := m.Program().Decide(f); v == Allowed {
				if is, _ := b.Decide(f); is == Denied {
					t.Fatalf("%s: %v after\n%s", f, trace, d.String())
				}
			}
		}
	})
}

// A peer that only rules speak of which deny is denied on until all was read, others are not.
func TestIsolatingPartKeepsWhoIsDenied(t *testing.T) {
	for action, kept := range map[Action]bool{Accept: false, Pass: false, Deny: true} {
		program := func(members ...Member) *Program {
			p := &Program{Sets: []Set{{ID: web, Members: members}}, Chains: []Chain{{
				ID: "ingress/a/x", Steps: Steps{Rule{Peer: InSet(web), Action: action}}}}}
			p.Sort()
			return p
		}
		m := &Memory{}
		if err := m.Apply(t.Context(), Diff(Observed{},
			program(Member{Addr: addr("10.0.0.9")}))); err != nil {
			t.Fatal(err)
		}
		have, _ := m.Observe(t.Context())
		d := Diff(have, program()).Isolating(program())
		if got := !strings.Contains(d.String(), "- pods4-web 10.0.0.9"); got != kept {
			t.Errorf("%s: kept %t by\n%s", action, got, d.String())
		}
	}
}

func TestStepsThatAreNoSteps(t *testing.T) {
	for _, text := range []string{`[{}]`, `[{"Call": "a", "Lookup": "pods4-a"}]`,
		`[{"Rule": {}, "Call": "a"}]`, `[{"Rule": {"Action": "permit"}}]`, `[1]`, `{}`} {
		if err := json.Unmarshal([]byte(text), new(Steps)); err == nil {
			t.Errorf("%s is read as steps", text)
		}
	}
	if err := json.Unmarshal([]byte(`{"End": "nothing"}`), new(Chain)); err == nil {
		t.Error("nothing is read as an end")
	}
	if text, err := json.Marshal(Steps{Rule{Proto: TCP, Action: Pass}, Call{"a/b"},
		Lookup{PortsOf("a/b")}}); err != nil || !strings.HasSuffix(string(text),
		`"Action":"pass","Origins":null}},{"Call":"a/b"},{"Lookup":"a/b"}]`) {
		t.Errorf("%s, %v", text, err)
	}
}
