package ruleset

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Memory stands for the kernel in every other test, so it must refuse what the kernel refuses,
// and change nothing then.
func TestMemoryRefuses(t *testing.T) {
	here := Dispatch{Ingress, addr("10.0.0.5"), "ingress/default/db-0"}
	nowhere := SetID{Addresses, IPv4, "nobody"}
	chain := fixture().Chains[1]
	lost := Chain{ID: "ingress/default/lost", Steps: Steps{Rule{Peer: InSet(nowhere)}}}
	tests := []struct {
		name  string
		delta Delta
	}{
		{"a link that is there", Delta{AddLinks: []string{"cni0"}}},
		{"a link that is not there", Delta{DelLinks: []string{"cni1"}}},
		{"a link twice", Delta{AddLinks: []string{"cni1", "cni1"}}},
		{"an address that is dispatched", Delta{AddDispatch: []Dispatch{here}}},
		{"an address to another chain without deleting it first",
			Delta{AddDispatch: []Dispatch{{Ingress, here.Addr, "egress/default/db-0"}}}},
		{"an address to a chain that is not there",
			Delta{AddDispatch: []Dispatch{{Ingress, addr("10.0.0.6"), lost.ID}}}},
		{"to forget an address that is not dispatched",
			Delta{DelDispatch: []Dispatch{{Ingress, addr("10.0.0.6"), here.Chain}}}},
		{"to forget an address that is dispatched elsewhere",
			Delta{DelDispatch: []Dispatch{{Ingress, here.Addr, "egress/default/db-0"}}}},
		{"to forget an address twice", Delta{DelDispatch: []Dispatch{here, here}}},
		{"a set that is there", Delta{AddSets: []Set{{ID: web}}}},
		{"a set whose members are the same", Delta{AddSets: []Set{{ID: nowhere,
			Members: []Member{{Addr: here.Addr}, {Addr: here.Addr}}}}}},
		{"a set that is used", Delta{DelSets: []SetID{web}}},
		{"to delete a set that is not there", Delta{DelSets: []SetID{nowhere}}},
		{"a member that is there", Delta{AddMembers: []Members{{Set: web,
			Members: []Member{{Addr: addr("10.0.1.2")}}}}}},
		{"a member of a set that is not there",
			Delta{AddMembers: []Members{{Set: nowhere, Members: []Member{{Addr: here.Addr}}}}}},
		{"to delete a member that is not there",
			Delta{DelMembers: []Members{{Set: web, Members: []Member{{Addr: here.Addr}}}}}},
		{"to delete a member of a set that is not there",
			Delta{DelMembers: []Members{{Set: nowhere, Members: []Member{{Addr: here.Addr}}}}}},
		{"a chain that is there as new", Delta{PutChains: []PutChain{{chain, true}}}},
		{"rules for a chain that is not there",
			Delta{PutChains: []PutChain{{Chain{ID: lost.ID}, false}}}},
		{"a rule about a set that is not there", Delta{PutChains: []PutChain{{lost, true}}}},
		{"a lookup of a set that is not there",
			Delta{PutChains: []PutChain{{Chain{ID: lost.ID, Steps: Steps{Lookup{PortsOf(lost.ID)}}}, true}}}},
		{"a call of a chain that is not there",
			Delta{PutChains: []PutChain{{Chain{ID: lost.ID, Steps: Steps{Call{"nowhere"}}}, true}}}},
		{"a chain that is dispatched to", Delta{DelChains: []ChainID{chain.ID}}},
		{"to delete a chain that is not there", Delta{DelChains: []ChainID{lost.ID}}},
		{"what is half good", Delta{AddLinks: []string{"cni1"}, DelSets: []SetID{web}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantRefused(t, test.delta) })
	}
}

func wantRefused(t *testing.T, d Delta) {
	m := &Memory{}
	if err := m.Apply(t.Context(), Diff(Observed{}, fixture())); err != nil {
		t.Fatal(err)
	}
	before, _ := m.Observe(t.Context())
	if err := m.Apply(t.Context(), d); err == nil {
		t.Errorf("carried out:\n%s", d.String())
	}
	after, _ := m.Observe(t.Context())
	if diff := cmp.Diff(before, after, equalValues); diff != "" || m.Applied != 1 {
		t.Errorf("changed after all (-before +after), %d transactions:\n%s", m.Applied, diff)
	}
}

// What comes in the right order is not refused: users go before what they use, and come after it.
func TestMemoryCarriesADeltaOutFieldByField(t *testing.T) {
	m := &Memory{}
	p := fixture()
	if err := m.Apply(t.Context(), Diff(Observed{}, p)); err != nil {
		t.Fatal(err)
	}
	d := Delta{
		DelLinks: p.Links, DelDispatch: p.Dispatch, AddLinks: p.Links,
		DelMembers: []Members{{Set: web, Members: p.Sets[0].Members}},
		AddMembers: []Members{{Set: web, Members: p.Sets[0].Members}},
		DelChains:  []ChainID{p.Chains[0].ID, p.Chains[1].ID}, DelSets: []SetID{web, metrics,
			blocks4, blocks6},
	}
	if err := m.Apply(t.Context(), d); err != nil {
		t.Fatalf("%v\n%s", err, d.String())
	}
	if diff := cmp.Diff(&Program{Links: p.Links}, m.Program(), equalValues); diff != "" {
		t.Error(diff)
	}
}

func TestMemoryBeginsWithoutATable(t *testing.T) {
	m := &Memory{}
	if o, err := m.Observe(t.Context()); err != nil || o.Condition != Lost {
		t.Errorf("%+v, %v", o, err)
	}
	if err := m.Apply(t.Context(), Delta{AddLinks: []string{"cni0"}}); err == nil {
		t.Error("a link without a table")
	}
	if err := m.Apply(t.Context(), Delta{Clear: true, Frame: true}); err != nil {
		t.Error(err)
	}
	if o, _ := m.Observe(t.Context()); o.Condition != Intact {
		t.Error("not intact after its frame was made")
	}
}

func TestMemoryFailsWhereItIsTold(t *testing.T) {
	broken := errors.New("no buffer space")
	m := &Memory{Fail: broken}
	if err := m.Apply(t.Context(), Delta{Clear: true, Frame: true}); !errors.Is(err, broken) ||
		m.Applied != 0 {
		t.Errorf("%v, %d applied", err, m.Applied)
	}
	m.Fail = nil
	if err := m.Apply(t.Context(), Delta{Clear: true, Frame: true}); err != nil || m.Applied != 1 {
		t.Errorf("%v, %d applied", err, m.Applied)
	}
}

// What Observe returned stays as it was while the kernel changes.
func TestMemoryKeepsItsStateToItself(t *testing.T) {
	m := &Memory{}
	if err := m.Apply(t.Context(), Diff(Observed{}, fixture())); err != nil {
		t.Fatal(err)
	}
	first, _ := m.Observe(t.Context())
	again, _ := m.Observe(t.Context())
	if err := m.Apply(t.Context(), Diff(first, &Program{})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again, first, equalValues); diff != "" {
		t.Error(diff)
	}
}
