package nft

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables"
	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

var equalMembers = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(ruleset.Member{})}

// Members come out of the kernel's elements as they went in, in whatever order it lists them.
func TestMembersSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sets().Draw(t, "set")
		elements := rapid.Permutation(encodeMembers(s.ID, s.Members)).Draw(t, "elements")
		got := slices.SortedFunc(slices.Values(decodeMembers(s.ID, elements)),
			ruleset.Member.Compare)
		if diff := cmp.Diff(s.Members, got, equalMembers); diff != "" {
			t.Fatalf("%s (-sent +read):\n%s", s.ID, diff)
		}
	})
}

// What a set is given is its own, whatever it holds; an element without a key is somebody else's.
func TestElementsWithoutAKeyAreForeign(t *testing.T) {
	p := sample(ruleset.Drop)
	for _, s := range p.Sets {
		foreign, own := isForeignTo(s.ID.String()), encodeMembers(s.ID, s.Members)
		if slices.ContainsFunc(own, foreign) || !foreign(nftables.SetElement{}) {
			t.Errorf("%s: own elements are foreign, or one without a key is not", s.ID)
		}
	}
	for _, s := range append(frameSets(), cutSets()...) {
		if !isForeignTo(s.Name)(nftables.SetElement{}) {
			t.Errorf("%s: an element without a key is not foreign", s.Name)
		}
	}
	if isForeignTo("mine")(nftables.SetElement{}) { // it goes as a whole
		t.Error("the elements of a set that is not ours matter")
	}
}

// An interval is two elements: its first address and the one after its last.
func TestEncodeRanges(t *testing.T) {
	tests := []struct {
		name, first, last string
		want              []nftables.SetElement
	}{
		{"one address", "10.0.0.1", "10.0.0.1", []nftables.SetElement{{Key: []byte{10, 0, 0, 1}},
			{Key: []byte{10, 0, 0, 2}, IntervalEnd: true}}},
		{"over a byte", "10.0.0.0", "10.0.0.255", []nftables.SetElement{{Key: []byte{10, 0, 0, 0}},
			{Key: []byte{10, 0, 1, 0}, IntervalEnd: true}}},
		{"up to the last", "255.0.0.0", "255.255.255.255",
			[]nftables.SetElement{{Key: []byte{255, 0, 0, 0}, IntervalOpen: true}}},
		{"everything", "0.0.0.0", "255.255.255.255", []nftables.SetElement{{Key: []byte{0, 0, 0, 0},
			IntervalOpen: true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			members := []ruleset.Member{{Addr: addr(test.first), Last: addr(test.last)}}
			got := encodeMembers(setID(ruleset.Ranges, ruleset.IPv4), members)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +sent):\n%s", diff)
			}
			if diff := cmp.Diff(members, decodeRanges(got), equalMembers); diff != "" {
				t.Errorf("(-sent +read):\n%s", diff)
			}
		})
	}
}

// Ranges that touch share a key: one ends where the other begins. The nft program also begins a
// set with an end that ends nothing.
func TestDecodeRangesThatTouch(t *testing.T) {
	elements := []nftables.SetElement{
		{Key: []byte{10, 0, 0, 2}}, {Key: []byte{10, 0, 0, 4}, IntervalEnd: true},
		{Key: []byte{10, 0, 0, 2}, IntervalEnd: true},
		{Key: []byte{10, 0, 0, 0}}, {Key: []byte{0, 0, 0, 0}, IntervalEnd: true},
	}
	want := []ruleset.Member{
		{Addr: addr("10.0.0.0"), Last: addr("10.0.0.1")}, {Addr: addr("10.0.0.2"),
			Last: addr("10.0.0.3")},
	}
	if diff := cmp.Diff(want, decodeRanges(elements), equalMembers); diff != "" {
		t.Error(diff)
	}
}

// Whatever the kernel or somebody's nft puts into a set is read without a panic.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(0), []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, uint8(2))
	f.Add(uint8(5), make([]byte, 16), []byte{}, uint8(1))
	f.Add(uint8(1), make([]byte, 12), make([]byte, 24), uint8(0))
	f.Add(uint8(4), []byte{255, 255, 255, 255}, []byte{255}, uint8(3))
	f.Fuzz(func(t *testing.T, shape uint8, a, b []byte, ends uint8) {
		id := ruleset.SetID{Kind: ruleset.SetKind(shape % 3), Family: ruleset.Families[shape/3%2],
			Key: "k"}
		elements := []nftables.SetElement{{Key: a, IntervalEnd: ends&1 > 0},
			{Key: b, IntervalEnd: ends&2 > 0}, {Key: a}}
		for _, m := range decodeMembers(id, elements) {
			_ = m.String()
		}
		o := ruleset.Observed{Sets: map[ruleset.SetID][]ruleset.Member{},
			Dispatch: map[ruleset.Subject]ruleset.ChainID{}}
		for _, name := range []string{linkSet, "ingress4", "egress6", id.String(), string(a)} {
			readSet(&o, &nftables.Set{Name: name, KeyType: setType(id),
				Interval: id.Kind == ruleset.Ranges}, elements)
		}
		ruleset.ParseSetID(string(b))
		encoding("").readDigest(string(a), []string{string(b)})
	})
}

// Names of sets are read as they are written; others are none.
func TestParseSetID(t *testing.T) {
	for _, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
		ruleset.Ranges} {
		for _, f := range ruleset.Families {
			for _, k := range []string{"a", "a-b", "nobody", key} {
				want := ruleset.SetID{Kind: kind, Family: f, Key: k}
				if got, ok := ruleset.ParseSetID(want.String()); !ok || got != want {
					t.Errorf("%s: %v, %t", want, got, ok)
				}
			}
		}
	}
	if got, ok := ruleset.ParseSetID("egress/a/web-0"); !ok ||
		got != ruleset.PortsOf("egress/a/web-0") {
		t.Errorf("%v, %t", got, ok)
	}
	for _, name := range []string{"", "pods4", "pods5-a", "pods-a", "podlinks", "egress4",
		"xpods4-a", "PODS4-a", "ports64-a"} {
		if got, ok := ruleset.ParseSetID(name); ok {
			t.Errorf("%q is %v", name, got)
		}
	}
}

func TestReadDigest(t *testing.T) {
	contents := []string{"one", "two", "three"}
	comment := encoding("one").digestComment(ruleset.Digest("chain"), contents)
	if len(comment) > maxComment {
		t.Errorf("%q has %d bytes", comment, len(comment))
	}
	other := strings.Replace(comment, ruleset.Digest("chain"), ruleset.Digest("x"), 1)
	tests := []struct {
		name, comment string
		contents      []string
		want          string
	}{
		{"as it was", comment, contents, ruleset.Digest("chain")},
		{"a rule less", comment, contents[1:], ""},
		{"a rule more", comment, append(slices.Clone(contents), "four"), ""},
		{"another rule", comment, []string{"one", "too", "three"}, ""},
		{"another order", comment, []string{"two", "one", "three"}, ""},
		{"another digest", other, contents, ruleset.Digest("x")}, // other rules are wanted
		{"another number", strings.Replace(comment, "3", "4", 1), contents, ""},
		{"cut off", comment[:len(comment)-1], contents, ""},
		{"something behind", comment + " x", contents, ""},
		{"no digest", "isolated by a", contents, ""},
		{"nothing", "", nil, ""},
	}
	for _, test := range tests {
		if got := encoding("one").readDigest(test.comment, test.contents); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// The policies that isolate a pod are named as far as a comment has room.
func TestIsolatedBy(t *testing.T) {
	long := strings.Repeat("p", 60)
	for want, policies := range map[string][]string{
		"":                                      nil,
		"isolated by deny":                      {"shop/deny"},
		"isolated by api-in, deny":              {"shop/api-in", "shop/deny"},
		"isolated by team/all, deny":            {"team/all", "shop/deny"},
		"isolated by shopping/all":              {"shopping/all"},
		"isolated by " + long + " and 2 others": {"shop/" + long, "shop/x" + long, "shop/y"},
		"isolated by x/" + strings.Repeat("p", 110) + "...": {"x/" + strings.Repeat("p", 200),
			"x/q"},
	} {
		got := decidedBy(ruleset.Chain{Subject: "shop/web-0", Policies: policies})
		if got != want || len(got) > maxComment {
			t.Errorf("%v: %q, want %q", policies, got, want)
		}
	}
}

// A comment is cut between two characters, and says so.
func TestClip(t *testing.T) {
	for length, want := range map[int]int{0: 0, 1: 1, maxComment: maxComment, maxComment +
		1: maxComment, 1000: maxComment} {
		long := strings.Repeat("x", length)
		if got := clip(long); len(got) != want || (got != long) != strings.HasSuffix(got, "...") {
			t.Errorf("%d bytes → %q", length, got)
		}
	}
}

// The listing of a set that the kernel was rebuilding does not count.
func TestRepeats(t *testing.T) {
	a, b := nftables.SetElement{Key: []byte{1}}, nftables.SetElement{Key: []byte{2}}
	end, wide := nftables.SetElement{Key: []byte{1}, IntervalEnd: true},
		nftables.SetElement{Key: []byte{1}, KeyEnd: []byte{2}}
	tests := []struct {
		elements []nftables.SetElement
		want     bool
	}{
		{nil, false},
		{[]nftables.SetElement{a, b}, false},
		{[]nftables.SetElement{a, b, a}, true},
		{[]nftables.SetElement{end, a}, false}, // a range ends where the next begins
		{[]nftables.SetElement{end, end}, true},
		{[]nftables.SetElement{a, wide}, false},
	}
	for _, test := range tests {
		if got := repeats(test.elements); got != test.want {
			t.Errorf("%v repeats: %t", test.elements, got)
		}
	}
}
