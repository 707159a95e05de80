package nft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

func rangeOf(prefix string) ruleset.Range { return ruleset.RangeOf(netip.MustParsePrefix(prefix)) }

// sampleSegment has ports that are isolated, bound, closed and unknown.
func sampleSegment() ruleset.Segment {
	return ruleset.Segment{
		Ports: []ruleset.Port{
			{Link: "veth0", MAC: ruleset.MAC{2, 0, 0, 0, 0, 5},
				Addrs: []netip.Addr{addr("10.244.1.5"), addr("fd00:10:244:1::5")}, Isolated: true},
			{Link: "veth1234567890a", MAC: ruleset.MAC{2, 0, 0, 0, 0, 6},
				Addrs: []netip.Addr{addr("10.244.1.6")}, Bound: true},
			{Link: "veth2"},
		},
		Taken: []ruleset.Range{rangeOf("10.244.0.0/16"), rangeOf("192.168.1.7/32"),
			rangeOf("fd00:10:244::/48")},
	}
}

// fullSegment has every kind of chain and set.
func fullSegment() ruleset.Segment {
	s := sampleSegment()
	s.Routers, s.Ports[0].Closed = []string{"eth0"}, true
	return s
}

func putSegment(t *testing.T, b *Backend, s ruleset.Segment) {
	t.Helper()
	if err := b.PutSegment(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func segmentListed(t *testing.T) string {
	t.Helper()
	return nftProgram(t, "", "list", "table", "bridge", tableName)
}

// The table is made once, follows what it is told, and is not touched where nothing changes.
func TestSegment(t *testing.T) {
	bothOwnerships(t, func(t *testing.T, b *Backend) {
		converge(t, b, sample(ruleset.Drop))
		before := listed(t)
		all := sampleSegment()
		noTable := func() {
			t.Helper()
			putSegment(t, b, ruleset.Segment{Taken: all.Taken})
			if tables := nftProgram(t, "", "list", "tables"); strings.Contains(tables, "bridge") {
				t.Errorf("without a port there is a table:\n%s", tables)
			}
		}
		noTable()
		putSegment(t, b, all)
		want := segmentListed(t)
		for _, text := range []string{`"veth0" . 10.244.1.5`, `"veth1234567890a" . 10.244.1.6`,
			`"veth0" . fd00:10:244:1::5`, `elements = { "veth0" }`, "10.244.0.0/16"} {
			if !strings.Contains(want, text) {
				t.Errorf("%s is not in\n%s", text, want)
			}
		}
		generation1 := generation(t, b)
		putSegment(t, b, all)
		if generation(t, b) != generation1 {
			t.Error("changed though nothing had to")
		}
		putSegment(t, b, ruleset.Segment{Ports: all.Ports[:1], Taken: all.Taken[:1]})
		noTable()
		putSegment(t, b, all)
		if diff := cmp.Diff(blocks(want), blocks(segmentListed(t))); diff != "" {
			t.Errorf("first (-), again (+):\n%s", diff)
		}
		if diff := cmp.Diff(before, listed(t)); diff != "" {
			t.Errorf("the other table (-), now (+):\n%s", diff)
		}
		wantHeld(t, b, sample(ruleset.Drop))
		if removed, err := b.Cleanup(); !removed || err != nil {
			t.Errorf("Cleanup = %t, %v", removed, err)
		}
		if left := nftProgram(t, "", "list", "tables"); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

// An agent that owns its tables lets nobody change this one either, and the next takes it over.
func TestSegmentIsOwned(t *testing.T) {
	b := openOwned(t, sample(ruleset.Drop))
	putSegment(t, b, sampleSegment())
	nftFails(t, "flush table bridge picket")
	before := segmentListed(t)
	_ = b.Close()
	next := open(t, Options{})
	wantHeld(t, next, sample(ruleset.Drop))
	putSegment(t, next, sampleSegment())
	nftFails(t, "flush table bridge picket")
	if diff := cmp.Diff(before, segmentListed(t)); diff != "" {
		t.Errorf("before (-), after (+):\n%s", diff)
	}
}

// What somebody does to the table is undone.
func TestSegmentIsRepaired(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	converge(t, b, sample(ruleset.Drop))
	putSegment(t, b, sampleSegment())
	want := segmentListed(t)
	for _, script := range []string{
		"flush chain bridge picket sender", "insert rule bridge picket receiver accept",
		"flush set bridge picket ports",
		"delete element bridge picket ownmac { veth0 . 02:00:00:00:00:05 }",
		"flush set bridge picket bound", "flush chain bridge picket outgoing",
		"delete element bridge picket own4 { veth0 . 10.244.1.5 }",
		"add element bridge picket own4 { veth0 . 10.244.1.6 }",
		"delete element bridge picket taken4 { 10.244.0.0/16 }", "add chain bridge picket mine",
		"add set bridge picket mine { type ipv4_addr; }",
		"chain bridge picket sender { policy drop; }", "table bridge picket { flags dormant; }",
		"delete table bridge picket", "delete table bridge picket; add table bridge picket",
	} {
		nftProgram(t, script, "-f", "-")
		putSegment(t, b, sampleSegment())
		if diff := cmp.Diff(blocks(want), blocks(segmentListed(t))); diff != "" {
			t.Errorf("%s: before (-), after the repair (+):\n%s", script, diff)
		}
	}
}

// What the nft program lists reads the same when it is loaded again.
func TestSegmentListingCanBeLoaded(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	putSegment(t, b, fullSegment())
	want := segmentListed(t)
	nftProgram(t, "delete table bridge picket\n"+want, "-f", "-")
	putSegment(t, b, fullSegment())
	if diff := cmp.Diff(want, segmentListed(t)); diff != "" {
		t.Errorf("made (-), loaded (+):\n%s", diff)
	}
}

// Chains and sets come and go with what they are for.
func TestSegmentChangesItsFrame(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	for _, s := range []ruleset.Segment{sampleSegment(), fullSegment(), {Routers: []string{"eth0"}},
		sampleSegment()} {
		putSegment(t, b, s)
		listing := segmentListed(t)
		for text, want := range map[string]bool{"chain closed": s.Ports != nil && s.Ports[0].Closed,
			"a pod is no router": s.Routers != nil} {
			if strings.Contains(listing, text) != want {
				t.Errorf("%q: want %t in\n%s", text, want, listing)
			}
		}
	}
}
