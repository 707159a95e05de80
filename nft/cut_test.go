package nft

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

func connection(from, to string, proto ruleset.Protocol) ruleset.Connection {
	return ruleset.Connection{From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort(to), Proto: proto}
}

// sampleCuts are connections of both families, with ports and without, sorted.
func sampleCuts() []ruleset.Connection {
	cuts := []ruleset.Connection{
		connection("10.244.1.5:40000", "10.244.2.7:80", ruleset.TCP),
		connection("[fd00::5]:40000", "[fd00::7]:53", ruleset.UDP),
		connection("10.244.1.5:0", "10.244.2.7:0", 1),
		connection("[fd00::5]:0", "[fd00::7]:0", 58),
	}
	slices.SortFunc(cuts, ruleset.Connection.Compare)
	return cuts
}

func cut(t *testing.T, b *Backend, c ruleset.Cuts, want ...ruleset.Connection) {
	t.Helper()
	if err := b.Cut(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := b.Cuts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b ruleset.Connection) bool { return a == b })); diff != "" {
		t.Errorf("cut (-want +got):\n%s", diff)
	}
}

// bothOwnerships runs a test with a table that is owned and with one that is not.
func bothOwnerships(t *testing.T, do func(t *testing.T, b *Backend)) {
	for name, noOwner := range map[string]bool{"owned": false, "not owned": true} {
		t.Run(name, func(t *testing.T) {
			newNetns(t)
			do(t, open(t, Options{NoOwner: noOwner}))
		})
	}
}

// The chain and its sets come with the first connection and go with the last; the program is not touched.
func TestCutAndLift(t *testing.T) {
	bothOwnerships(t, func(t *testing.T, b *Backend) {
		program, all := sample(ruleset.Drop), sampleCuts()
		converge(t, b, program)
		before := listed(t)
		cut(t, b, ruleset.Cuts{Last: false})
		cut(t, b, ruleset.Cuts{Add: all[:1]}, all[:1]...)
		cut(t, b, ruleset.Cuts{Add: all[1:]}, all...)
		cut(t, b, ruleset.Cuts{Add: all[:2]}, all...)
		cut(t, b, ruleset.Cuts{Add: all[1:2], Lift: all[2:]}, all[:2]...)
		wantHeld(t, b, program)
		cut(t, b, ruleset.Cuts{Lift: all[:2], Last: true})
		wantHeld(t, b, program)
		if diff := cmp.Diff(before, listed(t)); diff != "" {
			t.Errorf("before (-), after (+):\n%s", diff)
		}
	})
}

// What was cut is so for the next process, too, and goes where the whole table is made anew.
func TestCutsOutliveTheProcess(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	program, all := sample(ruleset.Drop), sampleCuts()
	converge(t, b, program)
	cut(t, b, ruleset.Cuts{Add: all}, all...)
	_ = b.Close()
	next := open(t, Options{NoOwner: true})
	wantHeld(t, next, program)
	cut(t, next, ruleset.Cuts{}, all...)
	rebuild(t, next, ruleset.Damaged, program)
	cut(t, next, ruleset.Cuts{}, all...)
	rebuild(t, next, ruleset.Lost, program)
	cut(t, next, ruleset.Cuts{})
}

// What the nft program lists can be loaded again and reads the same.
func TestCutsAreListedAsTheyWereMade(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	converge(t, b, &ruleset.Program{})
	cut(t, b, ruleset.Cuts{Add: sampleCuts()}, sampleCuts()...)
	text := listed(t)
	for _, want := range []string{
		"10.244.2.7 . 10.244.1.5 . tcp . 80 . 40000 comment \"answers\"", "10.244.1.5 . 10.244.2.7 . icmp",
		cutFrame().rules[0].text()[:60], strings.Split(cutFrame().rules[2].text(), "counter")[0],
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	nftProgram(t, "delete table inet picket\n"+text, "-f", "-")
	if diff := cmp.Diff(text, listed(t)); diff != "" {
		t.Errorf("made (-), loaded (+):\n%s", diff)
	}
	wantHeld(t, b, &ruleset.Program{})
	cut(t, b, ruleset.Cuts{}, sampleCuts()...)
}

// Somebody's change to the chain or its sets is no state that is taken for right.
func TestCutFrameIsWatched(t *testing.T) {
	for _, script := range []string{
		"flush chain inet picket cut", "flush chain inet picket cut; delete chain inet picket cut",
		"add rule inet picket cut accept", "insert rule inet picket cut accept",
	} {
		newNetns(t)
		b := open(t, Options{NoOwner: true})
		converge(t, b, &ruleset.Program{})
		cut(t, b, ruleset.Cuts{Add: sampleCuts()}, sampleCuts()...)
		nftProgram(t, script, "-f", "-")
		if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Damaged {
			t.Errorf("%s: condition %d, error %v", script, have.Condition, err)
		}
	}
}
