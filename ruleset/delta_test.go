package ruleset

import "testing"

func TestDeltaCounts(t *testing.T) {
	one := []Member{{}}
	d := Delta{
		PutChains: []PutChain{{Chain: Chain{ID: NewChainID(Ingress, "a", "web")}},
			{Chain: Chain{ID: NewChainID(Egress, "a", "web")}}, {Chain: Chain{ID: NewPeersID(Egress, "x")}}},
		DelChains:  []ChainID{NewChainID(Ingress, "a", "db"), NewPeersID(Egress, "y")},
		AddSets:    []Set{{Members: []Member{{}, {}}}},
		AddMembers: []Members{{Members: one}},
		DelMembers: []Members{{Members: one}},
	}
	if got, want := d.Counts(), (DeltaCounts{Subjects: 2, Members: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := (&Delta{}).Counts(); got != (DeltaCounts{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
