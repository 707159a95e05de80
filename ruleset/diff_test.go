package ruleset

import (
	"context"
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

func observe(t rapid.TB, m *Memory) Observed {
	o, err := m.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantHeld compares what a kernel holds with a program, but for the node's addresses: they are no
// rules.
func wantHeld(t *rapid.T, m *Memory, p *Program) {
	want := *p
	want.Node = nil
	if diff := cmp.Diff(&want, m.Program(), equalValues); diff != "" {
		t.Fatalf("the kernel holds something else (-want +have):\n%s", diff)
	}
}

// The kernel refuses a change that is out of order, so these laws hold for the order of Delta's
// fields too.
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

// The part of a delta that isolates can be carried out alone, leaves every subject a chain, and
// what is left to do is the rest.
func TestIsolatingPartOfADelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		d := Diff(observe(t, m), b)
		if err := m.Apply(t.Context(), d.Isolating(b)); err != nil {
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

// Whatever a lost frame holds besides is not trusted.
func TestDiffMakesALostFrameAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		m := holding(t, a)
		lost := observe(t, m)
		lost.Condition = Lost
		d := Diff(lost, b)
		if diff := cmp.Diff(Diff(Observed{}, b), d, equalValues); !d.Clear || !d.Frame ||
			diff != "" {
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
		{"another link", func(p *Program) {
			p.Links = []string{"eth1"}
		}, "- link cni0\n+ link eth1\n"},
		{"a member comes", func(p *Program) {
			p.Sets[0].Members = append(p.Sets[0].Members, Member{Addr: addr("10.0.1.9")})
		},
			"+ pods4-web 10.0.1.9\n"},
		{"a member goes", func(p *Program) {
			p.Sets[0].Members = p.Sets[0].Members[1:]
		}, "- pods4-web 10.0.1.2\n"},
		{"a pod is free in one direction", func(p *Program) {
			p.Chains, p.Dispatch = p.Chains[1:], p.Dispatch[:2]
		},
			"- dispatch egress 10.0.0.5 -> egress/default/db-0\n- dispatch egress fd00::5 -> " +
				"egress/default/db-0\n- chain egress/default/db-0\n"},
		{"another end", func(p *Program) { p.Chains[0].End = EndReject },
			"~ chain egress/default/db-0\n  allow to anyone udp 53                            # " +
				"default/dns egress[0]\n  reject\n"},
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

// A kernel has no room for long reasons. What it abbreviates is no change, another reason is one.
func TestDiffKnowsAbbreviatedReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		reason := ReasonOf(someOrigins().Draw(t, "origins"))
		ports := Set{ID: SpansID(TCP, "x"), Members: []Member{{Proto: TCP, Port: 1, LastPort: 2,
			Reason: reason}}}
		p.Sets = append(p.Sets, ports)
		p.Sort()
		have := observe(t, holding(t, p))
		kept := ports.Members[0]
		kept.Reason = reason.Abbreviated(rapid.IntRange(16, 200).Draw(t, "room"))
		have.Sets[ports.ID] = []Member{kept}
		if d := Diff(have, p); !d.Empty() {
			t.Fatalf("left to do\n%s", d.String())
		}
		kept.Reason += "x"
		have.Sets[ports.ID] = []Member{kept}
		if d := Diff(have, p); len(d.DelMembers) != 1 || len(d.AddMembers) != 1 {
			t.Fatalf("another reason is not noticed\n%s", d.String())
		}
	})
}
