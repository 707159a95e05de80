package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset/oracle"
)

// without opens nftables on a kernel that is taken to lack something besides what it lacks.
func without(remove func(*nft.Features)) func(netns int, shared bool) kernel {
	return func(netns int, shared bool) kernel {
		probe := func(netns int) (nft.Features, error) {
			has, err := nft.Probe(netns)
			remove(&has)
			return has, err
		}
		return nft.Open(nft.Options{NetNS: netns, NoOwner: shared, Probe: probe})
	}
}

// alone are pods of which each is the only one of its node. No node is known to have a bridge of
// pods then, so that the table inet asks by which interface a source is reached.
var alone = setting{
	pods: "a/cli n1 app=cli\na/far n2 app=far",
	policies: []string{`a/in {podSelector: {matchLabels: {app: cli}}, ingress: []}`,
		`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{ports: [{port: 80}]}]}`},
	flows: `deny a/far > a/cli TCP 80
		deny out > a/cli UDP 80
		allow a/cli > a/far TCP 80
		deny a/cli > a/far TCP 81
		allow a/cli > out UDP 80`,
}

// lesserKernels are kernels by what they lack, each with what holds there for all that.
var lesserKernels = []struct {
	feature string
	remove  func(*nft.Features)
	setting setting
	holds   func(t *testing.T, r *rig, w *oracle.World)
}{
	{"table_owner", func(f *nft.Features) { f.Owner = false }, closed,
		func(t *testing.T, r *rig, _ *oracle.World) {
			if table := r.agents["n1"].control.Health.Readiness().Table; table != "watched" {
				t.Errorf("the table is %s", table)
			}
		}},
	{"deletion_at_once", func(f *nft.Features) { f.DeleteAtOnce = false }, closed, policiesGo},
	// What forged packets meet first is the table of bridges, so it is not there either.
	{"source_in_forward", func(f *nft.Features) { f.SourceInForward, f.Bridge = false, false }, alone,
		noForgery},
	{"bridge_hooks", func(f *nft.Features) { f.Bridge = false }, closed,
		func(t *testing.T, r *rig, _ *oracle.World) {
			eventually(t, "it is warned of", func() bool {
				warnings := fmt.Sprint(r.agents["n1"].control.Health.Readiness().Warnings)
				return strings.Contains(warnings, "CONFIG_NF_TABLES_BRIDGE")
			})
		}},
}

// A kernel that lacks something enforces policies all the same, and is said to lack it, by /readyz
// and by a metric.
func TestLesserKernelsOnRealPackets(t *testing.T) {
	needNFTables(t, "features of nf_tables")
	needNft(t)
	for _, k := range lesserKernels {
		t.Run(k.feature, func(t *testing.T) {
			r := newRig(t, rigOptions{open: without(k.remove)})
			r.play(t, k.setting)
			health := r.agents["n1"].control.Health
			if lacks := strings.Join(health.Readiness().KernelLacks, "\n"); !strings.Contains(lacks,
				k.feature+" (Linux ") {
				t.Errorf("lacks %q", lacks)
			}
			answer := httptest.NewRecorder()
			health.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if line := `picket_kernel_feature{feature="` + k.feature + `"} 0`; !strings.Contains(
				answer.Body.String(), line) {
				t.Errorf("no line %s", line)
			}
			k.holds(t, r, r.told)
		})
	}
}

// policiesGo has all policies go, which takes two transactions, and others come.
func policiesGo(t *testing.T, r *rig, w *oracle.World) {
	free := changedWorld(t, w, func(s *stage) { s.Policies = nil })
	r.become(free)
	r.check(free, `allow a/cli > a/web TCP 80
		allow a/far > a/cli UDP 81`)
	r.agree(free)
	have, err := r.agents["n1"].tap.look(t.Context())
	if r.must(err); len(have.Chains) > 0 {
		t.Errorf("chains of policies that are gone: %v", have.Chains)
	}
	r.become(w)
	r.check(w, closed.flows)
	r.agree(w)
}

// noForgery sends packets with a source that nobody has, which reach the world only while nobody
// filters.
func noForgery(t *testing.T, r *rig, _ *oracle.World) {
	out := rigNodes()[0].Addrs
	forgeries := []forgery{
		{source: netip.MustParseAddr("198.51.100.7"), target: out[0], to: "out"},
		{source: netip.MustParseAddr("2001:db8:7::7"), target: out[1], to: "out"},
		{source: r.pods["a/cli"].Addrs[0], target: out[0], to: "out", passes: true},
	}
	heard := func(mark string, f forgery) bool {
		ear := r.hears("out", mark)
		f.send(r, mark)
		return holdsWithin(4*silence, func() bool { return ear.Count() > 0 })
	}
	for _, f := range forgeries {
		if passes := heard("filtered.", f); passes != f.passes {
			t.Errorf("from %s: it reaches the world: %t", f.source, passes)
		}
	}
	r.agents["n1"].stop()
	r.must(r.nft("n1", "flush ruleset"))
	for _, f := range forgeries {
		eventually(t, "it arrives while nobody filters", func() bool { return heard("open.", f) })
	}
}
