package ruleset

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// holding returns a kernel that holds a program.
func holding(t *rapid.T, p *Program) *Memory {
	m := &Memory{}
	if err := m.Apply(t.Context(), Diff(observe(t, m), p)); err != nil {
		t.Fatalf("apply to an empty kernel: %v\n%s", err, p)
	}
	return m
}

func observe(t *rapid.T, m *Memory) Observed {
	o, err := m.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantHeld compares what a kernel holds with a program, but for the node's addresses: they are no rules.
func wantHeld(t *rapid.T, m *Memory, p *Program) {
	want := *p
	want.Node = nil
	if diff := cmp.Diff(&want, m.Program(), equalValues); diff != "" {
		t.Fatalf("the kernel holds something else (-want +have):\n%s", diff)
	}
}

// The kernel refuses a change that is out of order, so these laws hold for the order of Delta's fields too.
func TestDiffLeadsFromAnyProgramToAnyOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		d := Diff(observe(t, m), b)
		if d.Frame {
			t.Fatal("an intact frame is made anew")
		}
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatalf("%v\n%s", err, d.String())
		}
		wantHeld(t, m, b)
	})
}

func TestDiffOfWhatIsHeldIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		if d := Diff(observe(t, holding(t, p)), p); !d.Empty() || d.String() != "" {
			t.Fatalf("nothing must change, but\n%s", d.String())
		}
	})
}

// A damaged frame is made anew and nothing else that can stay is touched.
func TestDiffMendsAFrameAroundWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		want := Diff(observe(t, m), b)
		want.Frame, want.Strict = true, b.Strict
		m.Damage()
		d := Diff(observe(t, m), b)
		if diff := cmp.Diff(want, d, equalValues); diff != "" {
			t.Fatalf("differs from the delta for a whole frame:\n%s", diff)
		}
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatalf("%v\n%s", err, d.String())
		}
		wantHeld(t, m, b)
	})
}

// The part of a delta that isolates can be carried out alone, leaves every subject a chain, and what is left
// to do is the rest.
func TestIsolatingPartOfADelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		d := Diff(observe(t, m), b)
		if err := m.Apply(t.Context(), d.Isolating()); err != nil {
			t.Fatalf("%v\n%s", err, d.String())
		}
		have := observe(t, m)
		for _, e := range slices.Concat(a.Dispatch, b.Dispatch) {
			if have.Dispatch[Subject{e.Direction, e.Addr}] == "" {
				t.Fatalf("nothing is left of %s after\n%s", e, d.String())
			}
		}
		if err := m.Apply(t.Context(), Diff(have, b)); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, m, b)
	})
}

// What is laid first is new, so that no packet meets it, and nothing that is led elsewhere is led to what the same
// transaction makes.
func TestGroundworkOfADelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		first, rest := Diff(observe(t, m), b).groundwork()
		if err := m.Apply(t.Context(), first); err != nil {
			t.Fatalf("%v\n%s", err, first.String())
		}
		if have := observe(t, m); !cmp.Equal(have.Dispatch, observe(t, holding(t, a)).Dispatch) {
			t.Fatal("what is laid first isolates")
		}
		for _, c := range first.PutChains {
			if !c.New {
				t.Fatalf("%s has rules already", c.ID)
			}
		}
		replaces := len(rest.DelDispatch)*len(rest.AddDispatch)+len(rest.AddMembers) > 0
		for _, c := range rest.PutChains {
			if led := slices.ContainsFunc(rest.AddMembers, leadsTo(c.ID)); c.New && replaces && led {
				t.Fatalf("%s is made when it is led to:\n%s", c.ID, rest.String())
			}
		}
		if err := m.Apply(t.Context(), rest); err != nil {
			t.Fatalf("%v\n%s", err, rest.String())
		}
		wantHeld(t, m, b)
	})
}

func TestNewPeersOfAPortAreLaidFirst(t *testing.T) {
	leading := func(key string) *Program {
		peers := Chain{ID: NewPeersID(Ingress, key), Direction: Ingress, Rules: []Rule{{}}, Denial: GoBack}
		pod := Chain{ID: "ingress/a/x", Direction: Ingress, Subject: "a/x", ByPort: true}
		return &Program{Chains: []Chain{pod, peers}, Sets: []Set{{ID: PortsOf(pod.ID), Members: []Member{{Proto: TCP, Port: 80, Chain: peers.ID}}}}}
	}
	m := &Memory{}
	if err := m.Apply(t.Context(), Diff(Observed{}, leading("one"))); err != nil {
		t.Fatal(err)
	}
	have, _ := m.Observe(t.Context())
	first, rest := Diff(have, leading("two")).groundwork()
	if len(first.PutChains) != 1 || first.PutChains[0].ID != NewPeersID(Ingress, "two") || len(rest.PutChains) != 0 || len(rest.DelChains) != 1 {
		t.Errorf("first\n%sthen\n%s", first.String(), rest.String())
	}
}

func leadsTo(id ChainID) func(Members) bool {
	return func(change Members) bool {
		return slices.ContainsFunc(change.Members, func(m Member) bool { return m.Chain == id })
	}
}

// Large new sets are filled before anything else changes, each transaction at most doubling what they have.
func TestLargeSetsAreFilledBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		before, d := m.Program(), Diff(observe(t, m), b)
		fillings, rest := d.fillings(1)
		for _, f := range fillings {
			wantPour(t, m.Program(), f)
			if err := m.Apply(t.Context(), f); err != nil {
				t.Fatalf("%v\n%s", err, f.String())
			}
		}
		if after := m.Program(); !cmp.Equal(before.Chains, after.Chains, equalValues) || !cmp.Equal(before.Dispatch, after.Dispatch, equalValues) {
			t.Fatal("more than sets have changed")
		}
		for _, s := range rest.AddSets {
			if s.ID.hashed() && len(s.Members) > 1 {
				t.Fatalf("%s is filled together with the rest", s.ID)
			}
		}
		if err := m.Apply(t.Context(), rest); err != nil {
			t.Fatalf("%v\n%s", err, rest.String())
		}
		wantHeld(t, m, b)
	})
}

// wantPour wants members for one set, no more than it has.
func wantPour(t *rapid.T, have *Program, f Delta) {
	if len(f.AddSets) == 1 && len(f.AddSets[0].Members) == 1 && len(f.AddMembers) == 0 {
		return
	}
	if len(f.AddSets) != 0 || len(f.AddMembers) != 1 {
		t.Fatalf("not one set is filled:\n%s", f.String())
	}
	more := f.AddMembers[0]
	i := slices.IndexFunc(have.Sets, func(s Set) bool { return s.ID == more.Set })
	if i < 0 || len(more.Members) > len(have.Sets[i].Members) {
		t.Fatalf("%d members at once:\n%s", len(more.Members), f.String())
	}
}

// Whatever a lost frame holds besides is not trusted.
func TestDiffMakesALostFrameAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		lost := observe(t, m)
		lost.Condition = Lost
		d := Diff(lost, b)
		if diff := cmp.Diff(Diff(Observed{}, b), d, equalValues); !d.Clear || !d.Frame || diff != "" {
			t.Fatalf("differs from the delta for an empty kernel: frame %t\n%s", d.Frame, diff)
		}
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatalf("%v\n%s", err, d.String())
		}
		wantHeld(t, m, b)
	})
}

// What Observe returns is not sorted in a real kernel.
func TestDiffDoesNotMindTheOrderOfMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		sorted, shuffled := observe(t, holding(t, a)), observe(t, holding(t, a))
		for id, list := range shuffled.Sets {
			shuffled.Sets[id] = rapid.Permutation(list).Draw(t, "order")
		}
		shuffled.Links = rapid.Permutation(shuffled.Links).Draw(t, "links")
		if diff := cmp.Diff(Diff(sorted, b), Diff(shuffled, b), equalValues); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDiffChangesNeitherOfItsArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		have, again := observe(t, holding(t, a)), observe(t, holding(t, a))
		text := b.String()
		Diff(have, b)
		if diff := cmp.Diff(again, have, equalValues); diff != "" || b.String() != text {
			t.Fatalf("changed: %s", diff)
		}
	})
}

// A delta speaks of nothing that stays as it is.
func TestDiffIsMinimal(t *testing.T) {
	a := fixture()
	tests := []struct {
		name string
		edit func(*Program)
		want string
	}{
		{"nothing", func(*Program) {}, ""},
		{"the node's addresses are not the kernel's", func(p *Program) { p.Node = nil }, ""},
		{"another link", func(p *Program) { p.Links = []string{"eth1"} }, "- link cni0\n+ link eth1\n"},
		{"a member comes", func(p *Program) { p.Sets[0].Members = append(p.Sets[0].Members, Member{Addr: addr("10.0.1.9")}) },
			"+ pods4-web 10.0.1.9\n"},
		{"a member goes", func(p *Program) { p.Sets[0].Members = p.Sets[0].Members[1:] }, "- pods4-web 10.0.1.2\n"},
		{"a pod is free in one direction", func(p *Program) { p.Chains, p.Dispatch = p.Chains[1:], p.Dispatch[:2] },
			"- dispatch egress 10.0.0.5 -> egress/default/db-0\n- dispatch egress fd00::5 -> egress/default/db-0\n- chain egress/default/db-0\n"},
		{"another denial", func(p *Program) { p.Chains[0].Denial = Reject },
			"~ chain egress/default/db-0\n  allow to anyone udp 53                            # default/dns egress[0]\n  reject\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := fixture()
			test.edit(b)
			m := &Memory{}
			if err := m.Apply(t.Context(), Diff(Observed{}, a)); err != nil {
				t.Fatal(err)
			}
			have, _ := m.Observe(t.Context())
			d := Diff(have, b)
			if diff := cmp.Diff(test.want, d.String()); diff != "" {
				t.Errorf("(-want +have):\n%s", diff)
			}
		})
	}
}
