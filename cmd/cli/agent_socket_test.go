//go:build linux

package cli

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset"
)

// A verb on the node learns what the agent wants, and finds that the kernel holds it.
func TestAgentAnswersVerbs(t *testing.T) {
	here, _ := thousandsHere(t)
	state := stateOfAgent(t, here.Do)
	if d := state.Differences(); !d.Empty() || state.Node != "n1" {
		t.Errorf("node %s, differs:\n%s", state.Node, d.String())
	}
	if pods := state.Pods(); !slices.Equal(pods, []string{"default/own"}) {
		t.Fatalf("isolated: %q", pods)
	}
	rules := state.PodRules("default/own")
	if len(rules.Directions) != 1 || len(rules.Differs) > 0 ||
		!slices.Equal(rules.Addrs, []netip.Addr{netip.MustParseAddr("10.2.0.1")}) {
		t.Fatalf("%+v", rules)
	}
	in := rules.Directions[0]
	want := []agent.Row{{Verdict: "allow", Peer: "pods app=web in namespace default",
		Addresses: 10000, Port: "any", By: "p ingress[0]"},
		{Verdict: "allow", Peer: "itself", Port: "any", By: "itself"}}
	if in.Direction != ruleset.Ingress || in.End != ruleset.EndDrop || !slices.Equal(in.Rows, want) ||
		!slices.Equal(in.IsolatedBy, []string{"default/p"}) {
		t.Errorf("%+v", in)
	}
}

// What the verb prints is what nft prints of the kernel, but for the order of elements and who owns
// the table.
func TestKernelAsNft(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	here, _ := thousandsHere(t)
	state := stateOfAgent(t, here.Do)
	for _, test := range []struct{ pods, list []string }{
		{nil, []string{"table", "inet", "picket"}},
		{[]string{"default/own"}, []string{"chain", "inet", "picket", "ingress/default/own"}},
	} {
		var o kernelOptions
		var said, problem strings.Builder
		must(t, o.printNft(&said, &problem, state, test.pods))
		var held []byte
		must(t, here.Do(func() (err error) {
			held, err = exec.Command("nft", append([]string{"-s", "list"}, test.list...)...).Output()
			return err
		}))
		lines, missing := words(said.String()), ""
		for word, n := range words(string(held)) {
			if lines[word] < n || test.pods == nil && lines[word] != n {
				missing += fmt.Sprintf("%q is %d times in the kernel and %d here\n", word, n, lines[word])
			}
		}
		if missing != "" || problem.Len() > 0 {
			t.Errorf("%v: %s%s", test.list, missing, &problem)
		}
	}
}

// words counts the words of a listing, without what nft says of a table's owner.
func words(listing string) map[string]int {
	counts := map[string]int{}
	for line := range strings.Lines(listing) {
		line, _, _ = strings.Cut(line, " # ")
		if strings.Contains(line, "flags owner") {
			continue
		}
		for word := range strings.FieldsSeq(strings.ReplaceAll(line, ",", " ")) {
			counts[word]++
		}
	}
	return counts
}

// stateOfAgent asks the agent of a network namespace.
func stateOfAgent(t *testing.T, inside func(func() error) error) (state *agent.State) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	must(t, inside(func() (err error) {
		state, err = agent.Here("").State(ctx)
		return err
	}))
	return state
}

// Without an agent the verb says what it expects.
func TestNobodyAnswersVerbs(t *testing.T) {
	here := newNetns(t)
	err := here.Do(func() error {
		_, err := agent.Here("").State(t.Context())
		return err
	})
	if err == nil {
		t.Fatal("somebody answers")
	}
	t.Log(err)
}
