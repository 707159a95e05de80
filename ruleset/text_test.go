package ruleset

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const fixtureText = `node 192.168.0.1
node fd00::1
link cni0
set pods4-web  # pods app=web in namespace default
  10.0.1.2
  10.0.1.3
set ports4-metrics  # tcp port metrics of pods app=web
  10.0.1.2 tcp 9100
  10.0.1.2 udp 9100
set cidrs4-blocks  # blocks
  0.0.0.0/8
  172.16.0.0-172.16.0.9
  172.16.0.11/32
  255.255.255.255/32
set cidrs6-blocks  # blocks
  ::/112
  2001:db8::/112
chain egress/default/db-0
  allow to anyone udp 53                            # default/dns egress[0]
  drop
chain ingress/default/db-0
  allow from @pods4-web tcp 5432,6000-6010            # default/db ingress[0], default/web ingress[1]
  allow from @ports4-metrics any                      # default/db ingress[1]
  allow from @cidrs4-blocks sctp                      # default/db ingress[2]
  allow from @cidrs6-blocks sctp                      # default/db ingress[2]
  allow from 198.51.100.0/24 udp                      # default/db ingress[3]
  allow from 10.0.0.5/32 any                          # itself
  reject  # isolated by default/db, default/web
dispatch ingress 10.0.0.5 -> ingress/default/db-0
dispatch ingress fd00::5 -> ingress/default/db-0
dispatch egress 10.0.0.5 -> egress/default/db-0
dispatch egress fd00::5 -> egress/default/db-0
`

func TestProgramText(t *testing.T) {
	if diff := cmp.Diff(fixtureText, fixture().String()); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

// Every field of a Delta prints, in its order.
func TestDeltaText(t *testing.T) {
	p := fixture()
	d := Delta{
		Clear: true, Frame: true, DelLinks: []string{"cni0"}, AddLinks: []string{"eth1"},
		DelDispatch: p.Dispatch[:1],
		DelMembers:  []Members{{Set: web, Members: p.Sets[0].Members}},
		AddSets:     p.Sets[1:2],
		AddMembers:  []Members{{Set: blocks6, Members: p.Sets[3].Members[:1]}},
		PutChains: []PutChain{{p.Chains[0], true},
			{Chain{ID: "ingress/default/x", End: EndReject}, false}},
		AddDispatch: p.Dispatch[2:3],
		DelChains:   []ChainID{"ingress/default/old"},
		DelSets:     []SetID{blocks4},
	}
	want := `+ frame
- link cni0
+ link eth1
- dispatch ingress 10.0.0.5 -> ingress/default/db-0
- pods4-web 10.0.1.2
- pods4-web 10.0.1.3
+ set ports4-metrics  # tcp port metrics of pods app=web
  10.0.1.2 tcp 9100
  10.0.1.2 udp 9100
+ cidrs6-blocks ::/112
+ chain egress/default/db-0
  allow to anyone udp 53                            # default/dns egress[0]
  drop
~ chain ingress/default/x
  reject
+ dispatch egress 10.0.0.5 -> egress/default/db-0
- chain ingress/default/old
- set cidrs4-blocks
`
	if diff := cmp.Diff(want, d.String()); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

func TestDeltaIsEmptyOnlyWithoutAnyChange(t *testing.T) {
	p := fixture()
	if d := (Delta{}); !d.Empty() || d.String() != "" {
		t.Error("the zero value changes something")
	}
	for _, d := range []Delta{
		{Frame: true}, {DelLinks: p.Links}, {AddLinks: p.Links}, {DelDispatch: p.Dispatch},
		{AddDispatch: p.Dispatch},
		{DelMembers: []Members{{Set: web, Members: p.Sets[0].Members}}},
		{AddMembers: []Members{{Set: web, Members: p.Sets[0].Members}}},
		{AddSets: p.Sets}, {DelSets: []SetID{web}}, {PutChains: []PutChain{{p.Chains[0], true}}},
		{DelChains: []ChainID{"x"}},
	} {
		if d.Empty() || d.String() == "" {
			t.Errorf("%+v changes nothing", d)
		}
	}
}

func TestSortIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs().Draw(t, "program")
		q := &Program{
			Node: shuffled(t, p.Node), Links: shuffled(t, p.Links), Sets: shuffled(t, p.Sets),
			Chains: shuffled(t, p.Chains), Dispatch: shuffled(t, p.Dispatch),
		}
		q.Sort()
		if diff := cmp.Diff(p, q, equalValues); diff != "" || p.String() != q.String() {
			t.Fatalf("order is left in:\n%s", diff)
		}
	})
}

func shuffled[T any](t *rapid.T, list []T) []T {
	return rapid.Permutation(list).Draw(t, "shuffled")
}

// edits change one thing each, where there is such a thing. They leave the lists of the original
// alone.
var edits = map[string]func(*Program){
	"node": func(p *Program) { p.Node = toggled(p.Node, addr("192.168.0.9")) },
	"link": func(p *Program) { p.Links = toggled(p.Links, "eth9") },
	"set's kind": onFirst(setsOf, func(s *Set) {
		if !s.ID.Leads() {
			s.ID.Kind, s.Members = 2-s.ID.Kind, nil
		}
	}),
	"set's family": onFirst(setsOf, func(s *Set) {
		if !s.ID.Leads() {
			s.ID.Family, s.Members = 10-s.ID.Family, nil
		}
	}),
	"set's key":     onFirst(setsOf, func(s *Set) { s.ID.Key += "-c" }),
	"set's comment": onFirst(setsOf, func(s *Set) { s.Comment += " x" }),
	"set's members": onFirst(setsOf, func(s *Set) { s.Members = s.Members[:len(s.Members)/2] }),
	"member":        onFirst(membersOf, func(m *Member) { m.Addr = m.Addr.Prev() }),
	"member's last": onFirst(membersOf, func(m *Member) { m.Last = next(m.Last) }),
	"chain's name":  onFirst(chainsOf, func(c *Chain) { c.ID += "x" }),
	"end":           onFirst(chainsOf, func(c *Chain) { c.End = (c.End + 1) % 5 }),
	"policies": onFirst(chainsOf, func(c *Chain) {
		c.Policies = toggled(c.Policies, "z/z")
	}),
	"a lookup":        onFirst(chainsOf, withStep(Lookup{SpansID(TCP, "x")})),
	"a call":          onFirst(chainsOf, withStep(Call{"x"})),
	"a step less":     onFirst(chainsOf, func(c *Chain) { c.Steps = c.Steps[:len(c.Steps)/2] }),
	"order of steps":  onFirst(chainsOf, reverseSteps),
	"lookup's set":    onFirstStep(func(l Lookup) Step { return Lookup{SpansID(SCTP, "y")} }),
	"call's chain":    onFirstStep(func(c Call) Step { return Call{c.Chain + "x"} }),
	"member's range":  onFirst(jumpsOf, func(m *Member) { m.LastPort += 9 }),
	"member's chain":  onFirst(jumpsOf, func(m *Member) { m.Chain += "x" }),
	"member's reason": onFirst(jumpsOf, func(m *Member) { m.Reason += "x" }),
	"rule's peer":     onFirstRule(func(r *Rule) { r.Peer = InPrefix(prefix("203.0.113.0/24")) }),
	"rule's protocol": onFirstRule(func(r *Rule) { r.Proto = SCTP }),
	"rule's ports":    onFirstRule(func(r *Rule) { r.Ports = []PortRange{{7, 9}} }),
	"rule's action":   onFirstRule(func(r *Rule) { r.Action = (r.Action + 1) % 3 }),
	"rule's origins":  onFirstRule(func(r *Rule) { r.Origins = []Origin{{"z/z", Ingress, 7}} }),
	"dispatch":        onFirst(dispatchOf, func(d *Dispatch) { d.Chain += "x" }),
	"direction":       onFirst(dispatchOf, func(d *Dispatch) { d.Direction = 1 - d.Direction }),
	"address":         onFirst(dispatchOf, func(d *Dispatch) { d.Addr = addr("192.0.2.1") }),
}

func setsOf(p *Program) *[]Set          { return &p.Sets }
func chainsOf(p *Program) *[]Chain      { return &p.Chains }
func dispatchOf(p *Program) *[]Dispatch { return &p.Dispatch }
func membersOf(p *Program) *[]Member {
	return firstOf(&p.Sets, func(s *Set) *[]Member { return &s.Members })
}

// jumpsOf are the members of the last set, if they lead to chains: sets are sorted by kind.
func jumpsOf(p *Program) *[]Member {
	last := len(p.Sets) - 1
	if last < 0 || !p.Sets[last].ID.Leads() {
		return nil
	}
	p.Sets = slices.Clone(p.Sets)
	return &p.Sets[last].Members
}

// withStep puts a step in front of those of a chain.
func withStep(s Step) func(*Chain) {
	return func(c *Chain) { c.Steps = append(Steps{s}, c.Steps...) }
}

func reverseSteps(c *Chain) {
	c.Steps = slices.Clone(c.Steps)
	slices.Reverse(c.Steps)
}

// onFirstStep replaces the first step of a kind of the first chain that has one.
func onFirstStep[T Step](edit func(T) Step) func(*Program) {
	return func(p *Program) {
		p.Chains = slices.Clone(p.Chains)
		for i := range p.Chains {
			steps := slices.Clone(p.Chains[i].Steps)
			for j, s := range steps {
				if one, is := s.(T); is {
					steps[j], p.Chains[i].Steps = edit(one), steps
					return
				}
			}
		}
	}
}

func onFirstRule(edit func(*Rule)) func(*Program) {
	return onFirstStep(func(r Rule) Step {
		edit(&r)
		return r
	})
}

func toggled[T comparable](l []T, x T) []T { return append(slices.Clone(l), x) }

// next leaves the invalid address what it is.
func next(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return a
	}
	return a.Next()
}

// onFirst edits a copy of the first item of a list.
func onFirst[T any](list func(*Program) *[]T, edit func(*T)) func(*Program) {
	return func(p *Program) {
		if l := list(p); l != nil && len(*l) > 0 {
			*l = slices.Clone(*l)
			edit(&(*l)[0])
		}
	}
}

// firstOf returns the list inside a copy of the first item of a list.
func firstOf[T, U any](list *[]T, inner func(*T) *[]U) *[]U {
	if len(*list) == 0 {
		return nil
	}
	*list = slices.Clone(*list)
	return inner(&(*list)[0])
}

// Programs print alike exactly where they are equal. Subject and Chain.Direction do not print on
// their own: both are in the chain's name.
func TestProgramTextIsInjective(t *testing.T) {
	for name, edit := range edits {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			p := programs().Draw(t, "program")
			q := *p
			edit(&q)
			if same := cmp.Equal(p, &q, equalValues); same != (p.String() == q.String()) {
				t.Fatalf("equal: %t, but\n%s\nand\n%s", same, p, &q)
			}
		}))
	}
}

func TestTextsOfTwoProgramsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := programs().Draw(t, "p"), programs().Draw(t, "q")
		if same := cmp.Equal(p, q, equalValues); same != (p.String() == q.String()) {
			t.Fatalf("equal: %t, but\n%s\nand\n%s", same, p, q)
		}
	})
}
