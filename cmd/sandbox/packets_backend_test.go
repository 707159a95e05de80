package sandbox_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// backendVariable names the backend that the packet tests are run with: nftables (or nothing), or
// iptables.
const backendVariable = "PICKET_TEST_BACKEND"

// onIPTables reports whether the tests are run with iptables.
func onIPTables() bool { return os.Getenv(backendVariable) == "iptables" }

// needNFTables skips a test of what iptables has nothing for.
func needNFTables(t *testing.T, what string) {
	t.Helper()
	if onIPTables() {
		t.Skip("iptables has nothing for it: " + what)
	}
}

// needBridges skips a test of what holds below the network layer where there is nothing for it: with
// iptables that is ebtables, which not every kernel has.
func needBridges(t *testing.T) {
	t.Helper()
	if lack := bridgesLack(t); lack != "" {
		t.Skip(lack)
	}
}

// bridgesLack says why nothing below the network layer holds; empty: it does.
func bridgesLack(t *testing.T) string {
	if !onIPTables() {
		return ""
	}
	ns, err := sandbox.NewNetns() // to find out changes tables
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var list []ruleset.Feature
	err = ns.Do(func() (err error) {
		list, err = iptables.Open(iptables.Options{}).Features()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Name == "bridge_hooks" && !f.Here {
			return f.Lack()
		}
	}
	return ""
}

// openBackend returns the backend of one node. shared: others may change its rules.
func openBackend(netNS int, shared bool) kernel {
	if onIPTables() {
		return plainBackend{iptables.Open(iptables.Options{NetNS: netNS})}
	}
	return openNft(netNS, shared)
}

// plainBackend is the one of iptables, which knows no flowtables.
type plainBackend struct{ *iptables.Backend }

func (plainBackend) Flowtables(context.Context) ([]string, error) { return nil, nil }

// uncounted is what iptables-save and ipset print, without counters and times.
func uncounted(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" { // the time
			line, _, _ = strings.Cut(line, "[")
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	slices.Sort(kept) // a set prints its elements in no certain order
	return strings.Join(kept, "\n")
}

// What somebody does to the rules of iptables is undone within seconds, and nothing of theirs is
// touched.
func TestTamperingWithIPTablesIsRepairedOnRealPackets(t *testing.T) {
	if !onIPTables() {
		t.Skip("the nodes are not run with iptables")
	}
	r := newRig(t, rigOptions{})
	w := jobs.world(t)
	r.become(w)
	for _, deed := range []string{
		"iptables-legacy -t mangle -F", "iptables-legacy -t mangle -F; iptables-legacy -t mangle -X",
		"iptables-legacy -t mangle -I FORWARD -j ACCEPT", "ip6tables-legacy -t mangle -F FORWARD",
		"iptables-legacy -t mangle -I picket-forward -j RETURN", "ipset flush picket-ingress4",
	} {
		done := time.Now()
		if text := r.output("n1", "sh", "-c", deed); text != "" {
			t.Fatalf("%s: %s", deed, text)
		}
		// The agent's own backend would take what it finds for what is wanted.
		if !poll(func() bool {
			return r.holds("n1", compile.SnapshotOf(policy.Objects(*w), "n1"))
		}) {
			t.Fatalf("not repaired after %q:\n%s", deed, r.table("n1"))
		}
		t.Logf("%s: repaired after %s", deed, time.Since(done).Round(time.Millisecond))
	}
	r.check(w, jobs.flows)
}
