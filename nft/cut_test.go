package nft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

func flow(from, to string, proto ruleset.Protocol) ruleset.Flow {
	server := netip.MustParseAddrPort(to)
	return ruleset.Flow{From: netip.MustParseAddr(from), To: server.Addr(), Proto: proto,
		Port: server.Port()}
}

// sampleCuts are cuts of both families and of every kind, sorted.
func sampleCuts() ruleset.Cuts {
	cuts := ruleset.Cuts{
		Flows: []ruleset.Flow{
			flow("10.244.1.5", "10.244.2.7:80", ruleset.TCP), flow("10.244.1.5", "10.244.2.7:443",
				ruleset.SCTP),
			flow("fd00::5", "[fd00::7]:53", ruleset.UDP),
			flow("10.244.1.5", "10.244.2.7:0", ruleset.AnyProtocol), flow("fd00::5", "[fd00::7]:0",
				ruleset.AnyProtocol),
		},
		Clients: []ruleset.Client{
			{Addr: netip.MustParseAddr("10.244.1.5"), Proto: ruleset.TCP},
			{Addr: netip.MustParseAddr("fd00::5"), Proto: ruleset.UDP},
		},
	}
	cuts.Sort()
	return cuts
}

func cut(t *testing.T, b *Backend, c ruleset.CutChange, want ruleset.Cuts) {
	t.Helper()
	if err := b.Cut(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := b.Cuts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool {
		return a == b
	})); diff != "" {
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

// The chain and its sets come with the first connection and go with the last; the program is not
// touched.
func TestCutAndLift(t *testing.T) {
	bothOwnerships(t, func(t *testing.T, b *Backend) {
		program, all := sample(ruleset.Drop), sampleCuts()
		converge(t, b, program)
		before := listed(t)
		flows, clients := ruleset.Cuts{Flows: all.Flows}, ruleset.Cuts{Clients: all.Clients}
		cut(t, b, ruleset.CutChange{}, ruleset.Cuts{})
		cut(t, b, ruleset.CutChange{Add: flows}, flows)
		cut(t, b, ruleset.CutChange{Add: clients}, all)
		cut(t, b, ruleset.CutChange{Add: flows}, all)
		cut(t, b, ruleset.CutChange{Add: clients, Lift: flows}, clients)
		wantHeld(t, b, program)
		cut(t, b, ruleset.CutChange{Lift: clients, Last: true}, ruleset.Cuts{})
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
	cut(t, b, ruleset.CutChange{Add: all}, all)
	_ = b.Close()
	next := open(t, Options{NoOwner: true})
	wantHeld(t, next, program)
	cut(t, next, ruleset.CutChange{}, all)
	rebuild(t, next, ruleset.Damaged, program)
	cut(t, next, ruleset.CutChange{}, all)
	rebuild(t, next, ruleset.Lost, program)
	cut(t, next, ruleset.CutChange{}, ruleset.Cuts{})
}

// What the nft program lists can be loaded again and reads the same.
func TestCutsAreListedAsTheyWereMade(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	converge(t, b, &ruleset.Program{})
	cut(t, b, ruleset.CutChange{Add: sampleCuts()}, sampleCuts())
	text := listed(t)
	wanted := []string{"10.244.1.5 . 10.244.2.7 . tcp . 80", "{ 10.244.1.5 . 10.244.2.7 }",
		"10.244.1.5 . tcp"}
	for _, r := range cutRules() {
		wanted = append(wanted, strings.Split(r.text(), "counter")[0])
	}
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	nftProgram(t, "delete table inet picket\n"+text, "-f", "-")
	if diff := cmp.Diff(text, listed(t)); diff != "" {
		t.Errorf("made (-), loaded (+):\n%s", diff)
	}
	wantHeld(t, b, &ruleset.Program{})
	cut(t, b, ruleset.CutChange{}, sampleCuts())
}

// Somebody's change to the chain or its sets is no state that is taken for right.
func TestCutFrameIsWatched(t *testing.T) {
	everybody := "add element inet picket cutpairs4 { * }"
	for _, script := range []string{
		everybody, "flush chain inet picket cut", "flush chain inet picket cut; delete chain inet picket cut",
		"add rule inet picket cut accept", "insert rule inet picket cut accept",
		"insert rule inet picket cutoutput accept",
		"flush chain inet picket cutoutput; delete chain inet picket cutoutput",
	} {
		if script == everybody && !kernelHas(t, "5.13") {
			continue
		}
		newNetns(t)
		b := open(t, Options{NoOwner: true})
		converge(t, b, &ruleset.Program{})
		cut(t, b, ruleset.CutChange{Add: sampleCuts()}, sampleCuts())
		nftProgram(t, script, "-f", "-")
		if have, err := b.Observe(t.Context()); err != nil || have.Condition == ruleset.Intact {
			t.Errorf("%s: condition %d, error %v", script, have.Condition, err)
		}
	}
}
