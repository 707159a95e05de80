package nft

import (
	"errors"
	"slices"
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
	features := probed(t)
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
	have, err := parseVersion(unix.ByteSliceToString(u.Release[:]))
	want, wrong := parseVersion(version)
	if err := errors.Join(err, wrong); err != nil {
		t.Fatal(err)
	}
	return slices.Compare(have[:], want[:]) >= 0
}

// probed is what the running kernel can do.
func probed(t testing.TB) Features {
	t.Helper()
	features, err := Probe(0)
	if err != nil {
		t.Fatal(err)
	}
	return features
}

// What a version of Linux can do is known without asking it.
func TestFeaturesOf(t *testing.T) {
	for version, want := range map[string]Features{
		"3.12":            {},
		"5.10.0-46-amd64": {NfTables: true, Bridge: true},
		"5.17-rc3":        {NfTables: true, Bridge: true, SourceInForward: true},
		"6.2":             {NfTables: true, Bridge: true, SourceInForward: true, DeleteAtOnce: true},
		"6.10":            Newest(),
		"7.3.1+deb14":     Newest(),
	} {
		if got, err := FeaturesOf(version); got != want || err != nil {
			t.Errorf("%s: %+v, %v", version, got, err)
		}
	}
	for _, wrong := range []string{"", "6", "newest", "v6.1"} {
		if _, err := FeaturesOf(wrong); err == nil {
			t.Errorf("%q is taken for a version", wrong)
		}
	}
}

// What a process that was killed between two trials left behind is no hindrance, and goes.
func TestTrialsCleanUp(t *testing.T) {
	newNetns(t)
	left := "table inet " + trialTable
	nftProgram(t, left+" { chain c { }; chain other { jump c; }; }", "-f", "-")
	want := probed(t)
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
		features.NfTables = true
		here := probed(t)
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
	features := probed(t)
	features.Bridge = false
	b := open(t, Options{Features: &features})
	converge(t, b, sample(ruleset.Drop))
	err := b.PutSegment(t.Context(), sampleSegment())
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

// A list of names is read as what it was made from.
func TestFeaturesNamed(t *testing.T) {
	for _, f := range []Features{{}, Newest(), {NfTables: true, Owner: true},
		{NfTables: true, DeleteAtOnce: true}, {NfTables: true, SourceInForward: true},
		{NfTables: true, Bridge: true}} {
		var names []string
		for _, one := range f.List() {
			if one.Here {
				names = append(names, one.Name)
			}
		}
		if got := FeaturesNamed(names); got != f {
			t.Errorf("%v: %+v; expected %+v", names, got, f)
		}
	}
}

// A kernel without nf_tables is said to lack that alone, by a list and by no error, until it is
// there.
func TestNoNfTables(t *testing.T) {
	newNetns(t)
	loaded := false
	b := open(t, Options{Probe: func(netns int) (Features, error) {
		if !loaded {
			return Features{}, ErrNoNfTables
		}
		return Probe(netns)
	}})
	list, err := b.Features()
	if err != nil || len(list) != 1 || list[0].Name != "nf_tables" || list[0].Here {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := b.Observe(t.Context()); !errors.Is(err, ErrNoNfTables) {
		t.Errorf("Observe = %v", err)
	}
	loaded = true
	converge(t, b, sample(ruleset.Drop))
	if list, err := b.Features(); err != nil || !list[0].Here || len(list) < 2 {
		t.Errorf("once it is loaded: %+v, %v", list, err)
	}
}
