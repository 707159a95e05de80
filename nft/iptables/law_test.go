package iptables

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

// In every step of a change, after every single element, what both programs deny is denied. At the
// end the kernel does what the new program says.
func TestNoStepOpensWhatBothProgramsDeny(t *testing.T) {
	all := packets()
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		s, backend := newSimulator(), Open(Options{})
		s.change(t, backend, ruleset.Observed{}, a, func(string) {})
		s.wantDecisions(t, a, all)
		closed := slices.DeleteFunc(slices.Clone(all), func(p packet) bool {
			return decides(a, p) || decides(b, p)
		})
		have := observedIn(backend, a)
		if rapid.Bool().Draw(t, "reads") {
			have = backend.take(s.kernel(backend))
		}
		s.change(t, backend, have, b, func(line string) {
			for _, p := range closed {
				if s.allows(p) {
					t.Fatalf("after %q the packet passes: %s by %s", line, p.Flow, p.in)
				}
			}
		})
		s.wantDecisions(t, b, all)
		s.wantNothingElse(t, backend)
	})
}

// decides is what a program says about a packet. It knows pods' links, and not only the pods that
// are bound to them, so that it sends to no tunnel what comes in by one.
func decides(p *ruleset.Program, k packet) bool {
	verdict, _ := p.Decide(k.Flow)
	has := func(id ruleset.SetID, m ruleset.Member) bool {
		return slices.ContainsFunc(p.Sets, func(s ruleset.Set) bool {
			return s.ID == id && slices.Contains(s.Members, m)
		})
	}
	tunnelled := slices.Contains(p.Links, k.in) &&
		has(ruleset.NodeAddrs(ruleset.FamilyOf(k.To)), ruleset.Member{Addr: k.To}) &&
		has(ruleset.TunnelPorts(), ruleset.Member{Proto: k.Proto, Port: k.Port})
	return verdict == ruleset.Allowed && !tunnelled
}

// observedIn is what a backend holds, in the form that Observe has: ranges as the program has them.
func observedIn(b *Backend, p *ruleset.Program) ruleset.Observed {
	o := b.content.observed()
	o.Condition = ruleset.Intact
	for _, s := range p.Sets {
		if s.ID.Kind == ruleset.Ranges {
			o.Sets[s.ID] = s.Members
		}
	}
	return o
}

// kernel is what is read of it: the rules as a backend has written them.
func (s *simulator) kernel(b *Backend) kernel {
	k := newKernel()
	k.tables = b.held.tables
	for name, set := range s.sets {
		of := ipset{setType{kind: set.kind}, elements{}}
		for _, f := range ruleset.Families {
			if families[f].set == set.family {
				of.family = f
			}
		}
		for e := range set.elements {
			of.elements[element(e)] = true
		}
		k.sets[name] = of
	}
	return k
}

// change has a backend change a kernel to a program; look is called after every line of ipset and
// every restore of a family.
func (s *simulator) change(t *rapid.T, b *Backend, have ruleset.Observed, p *ruleset.Program,
	look func(string)) {
	d := ruleset.Diff(have, p)
	if d.Empty() {
		return
	}
	steps, err := b.next(d)
	if err != nil {
		t.Fatal(err)
	}
	must := func(line string, err error) {
		if err != nil {
			t.Fatalf("%v\nin %s", err, line)
		}
		look(line)
	}
	for _, step := range steps {
		for _, line := range step.Sets {
			must(line, s.ipset(line))
		}
		for _, f := range ruleset.Families {
			if text := step.Rules[f]; text != "" {
				must(text, s.restore(f, text))
			}
		}
		for _, name := range step.Destroy {
			must("destroy "+name, s.ipset("destroy "+name))
		}
	}
}

// wantDecisions compares the kernel with a program.
func (s *simulator) wantDecisions(t *rapid.T, p *ruleset.Program, all []packet) {
	for _, k := range all {
		if have, want := s.allows(k), decides(p, k); have != want {
			_, trace := p.Decide(k.Flow)
			t.Fatalf("%s by %s: passes %t, want %t: %v", k.Flow, k.in, have, want, trace)
		}
	}
}

// wantNothingElse wants all that is there to be what the backend thinks that it holds.
func (s *simulator) wantNothingElse(t *rapid.T, b *Backend) {
	for name, set := range s.sets {
		held, there := b.held.sets[name]
		if !there || len(held.elements) != len(set.elements) {
			t.Fatalf("set %s has %d elements, held %v", name, len(set.elements), held)
		}
	}
	if len(s.sets) != len(b.held.sets) {
		t.Fatalf("%d sets, held %d", len(s.sets), len(b.held.sets))
	}
}
