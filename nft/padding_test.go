package nft

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Kernels of some processors put an empty attribute before each number of 64 bits. The rules are the
// same with it.
func TestPaddingOfLimits(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	converge(t, b, sample(ruleset.Drop))
	limits := 0
	for name, want := range b.rulesByChain(t) {
		chain := &nftables.Chain{Table: table(0), Name: name}
		messages, err := b.dumpRules(table(0), chain)
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			limits += bytes.Count(messages[i].Data, []byte("limit\x00"))
			messages[i].Data = append(messages[i].Data[:4:4],
				padded(t, messages[i].Data[4:], ruleAttributes)...)
		}
		got, err := parseRules(table(0), chain, messages)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(contentsIn(want), contentsIn(got)); diff != "" {
			t.Errorf("%s: as it is (-), and padded (+):\n%s", name, diff)
		}
	}
	if limits == 0 {
		t.Error("no rule has a limit")
	}
}

// rulesByChain lists all rules of the table as the library does.
func (b *Backend) rulesByChain(t *testing.T) map[string][]*nftables.Rule {
	t.Helper()
	found, err := b.list(b.conn, table(0))
	if err != nil {
		t.Fatal(err)
	}
	return found.rules
}

// contentsIn describes rules of a chain.
func contentsIn(rules []*nftables.Rule) []string {
	return listing{rules: map[string][]*nftables.Rule{"": rules}}.contents("")
}

// padded puts an empty attribute before the rate and the unit of each limit among attributes.
func padded(t *testing.T, data []byte, at level) []byte {
	t.Helper()
	attributes, err := netlink.UnmarshalAttributes(data)
	if err != nil {
		t.Fatal(err)
	}
	var more []netlink.Attribute
	limit := false
	for _, a := range attributes {
		number := a.Type &^ (netlink.Nested | netlink.NetByteOrder)
		limit = limit || string(a.Data) == "limit\x00"
		if at == expressionData && number <= unix.NFTA_LIMIT_UNIT {
			more = append(more, netlink.Attribute{Type: limitPad})
		}
		if at < expressionData && number == inside[at] && (at != expression || limit) {
			a.Data, a.Length = padded(t, a.Data, at+1), 0
		}
		more = append(more, a)
	}
	text, err := netlink.MarshalAttributes(more)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
