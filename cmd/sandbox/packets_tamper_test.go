package sandbox_test

import (
	"testing"

	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// foreignTables are others', of the kinds that a careless repair would touch.
const foreignTables = `
	table inet foreign {
		set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
		map m { type ipv4_addr : verdict; elements = { 10.1.1.1 : drop }; }
		chain forward { type filter hook forward priority 0; policy accept; ip saddr @s counter comment "picket"; ip daddr vmap @m; }
	}
	table ip picket { chain forward { type filter hook forward priority 5; counter; }; }
`

// Where the kernel lets anybody change the table, what somebody did is undone long before the next
// recheck, and nothing of theirs is touched.
func TestTamperingIsRepairedOnRealPackets(t *testing.T) {
	needNFTables(t, "its own tables are changed")
	needNft(t)
	r := newRig(t, rigOptions{shared: true})
	w := jobs.world(t)
	r.become(w)
	r.must(r.nft("n1", foreignTables))
	foreign := r.foreign("n1")
	for _, script := range []string{
		"delete table inet picket", "flush table inet picket", "flush chain inet picket forward",
		"insert rule inet picket forward accept", "flush map inet picket ingress4",
		"flush chain inet picket ingress/a/web",
		"delete table inet picket; add table inet picket", "flush ruleset;" + foreignTables,
	} {
		r.must(r.nft("n1", script))
		if !poll(func() bool {
			return r.holds("n1", compile.SnapshotOf(policy.Objects(*w), "n1"))
		}) {
			t.Fatalf("not repaired after %q:\n%s", script, r.table("n1"))
		}
		if now := r.foreign("n1"); now != foreign {
			t.Errorf("after %q, foreign tables before:\n%s\nnow:\n%s", script, foreign, now)
		}
	}
	r.check(w, jobs.flows)
}

// foreign is what the node holds besides.
func (r *rig) foreign(node string) string {
	return r.list(node, "table", "inet", "foreign") + r.list(node, "table", "ip", "picket")
}

// holds looks with eyes of its own at what a node's kernel holds.
func (r *rig) holds(node string, s compile.Snapshot) bool {
	r.t.Helper()
	a := r.agents[node]
	if own, is := a.tap.kernel.(plainBackend); is {
		return r.holdsBeside(own.Beside(int(a.ns.Fd())), s)
	}
	other := nft.Open(nft.Options{NetNS: int(a.ns.Fd()), Look: true})
	defer other.Close()
	have, err := other.Observe(r.t.Context())
	r.must(err)
	s.Links, s.TunnelPorts = hostFacts(have)
	want, _ := compile.Compile(s)
	d := ruleset.Diff(have, want)
	return d.Empty()
}

// holdsBeside is holds by a backend that has to be told what is wanted before it knows its chains.
func (r *rig) holdsBeside(other *iptables.Backend, s compile.Snapshot) bool {
	r.t.Helper()
	have, err := other.Observe(r.t.Context())
	r.must(err)
	s.Form = other.Form()
	s.Links, s.TunnelPorts = hostFacts(have)
	want, _ := compile.Compile(s)
	have, _, err = other.Look(r.t.Context(), want)
	r.must(err)
	d := ruleset.Diff(have, want)
	return d.Empty()
}
