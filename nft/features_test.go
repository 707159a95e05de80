package nft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Kernels as they are published can do what their version says. Distributions may put more in.
func TestFeaturesAreThoseOfTheVersion(t *testing.T) {
	newNetns(t)
	before := nftProgram(t, "", "list", "ruleset")
	features, err := Probe(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range features.List() {
		if kernelHas(t, f.Since) && !f.Here {
			t.Errorf("not here, though this is Linux %s or later: %s", f.Since, f.Lack())
		}
		t.Logf("%s: %t", f.Name, f.Here)
	}
	if after := nftProgram(t, "", "list", "ruleset"); after != before {
		t.Errorf("trials left something behind:\n%s", after)
	}
}

// kernelHas reports whether the running kernel is of a version or later.
func kernelHas(t testing.TB, version string) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var have, want [2]int
	read := func(text string, to *[2]int) {
		if _, err := fmt.Sscanf(text, "%d.%d", &to[0], &to[1]); err != nil {
			t.Fatalf("%q is no version: %v", text, err)
		}
	}
	read(unix.ByteSliceToString(u.Release[:]), &have)
	read(version, &want)
	return have[0] > want[0] || have[0] == want[0] && have[1] >= want[1]
}

// What a process that was killed between two trials left behind is no hindrance, and goes.
func TestTrialsCleanUp(t *testing.T) {
	newNetns(t)
	left := "table inet " + trialTable
	nftProgram(t, left+" { chain c { }; chain other { jump c; }; }", "-f", "-")
	want, err := Probe(0)
	if err != nil {
		t.Fatal(err)
	}
	if text := nftProgram(t, "", "list", "ruleset"); text != "" {
		t.Errorf("left behind:\n%s", text)
	}
	if again, err := Probe(0); err != nil || again != want {
		t.Errorf("%+v, %v; before: %+v", again, err, want)
	}
}

// A kernel that lacks everything that can be lacking holds every program for all that, and whatever
// it is told to be able to do, the tables are those that it knows as its own.
func TestEveryKernelHoldsThePrograms(t *testing.T) {
	for _, features := range []Features{{}, {Owner: true}, {SourceInForward: true},
		{DeleteAtOnce: true}} {
		newNetns(t)
		here, err := Probe(0)
		if err != nil {
			t.Fatal(err)
		}
		// What is really not there can't be pretended.
		if features.Owner && !here.Owner || features.SourceInForward && !here.SourceInForward ||
			features.DeleteAtOnce && !here.DeleteAtOnce {
			continue
		}
		b := open(t, Options{Features: &features})
		for _, want := range []*ruleset.Program{sample(ruleset.Drop), programs().Example(3), {},
			sample(ruleset.Reject)} {
			converge(t, b, want)
			wantHeld(t, b, want)
		}
		if b.Owned() != features.Owner {
			t.Errorf("%+v: owned is %t", features, b.Owned())
		}
		list, err := b.Features()
		if diff := cmp.Diff(features.List(), list); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// Where bridges have no hooks, that is said, and what is owned stays owned.
func TestNoBridgeHooks(t *testing.T) {
	newNetns(t)
	features, err := Probe(0)
	if err != nil {
		t.Fatal(err)
	}
	features.Bridge = false
	b := open(t, Options{Features: &features})
	converge(t, b, sample(ruleset.Drop))
	err = b.PutSegment(t.Context(), sampleSegment())
	if err == nil || !strings.Contains(err.Error(), "CONFIG_NF_TABLES_BRIDGE") {
		t.Errorf("%v", err)
	}
	if err := b.PutSegment(t.Context(), ruleset.Segment{}); err != nil {
		t.Error(err)
	}
	if b.Owned() != features.Owner {
		t.Errorf("owned is %t", b.Owned())
	}
}
