package nft

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// manyMembers is a program with one big set of addresses and a rule that uses it.
func manyMembers(count int) *ruleset.Program {
	set := ruleset.Set{ID: setID(ruleset.Addresses, ruleset.IPv4), Comment: "all pods"}
	for a := addr("10.0.0.0"); len(set.Members) < count; a = a.Next() {
		set.Members = append(set.Members, ruleset.Member{Addr: a})
	}
	id := ruleset.NewChainID(ruleset.Ingress, "default", "web-0")
	return &ruleset.Program{
		Sets: []ruleset.Set{set},
		Chains: []ruleset.Chain{{ID: id,
			Steps: ruleset.Steps{ruleset.Rule{Peer: ruleset.InSet(set.ID)}}}},
		Dispatch: []ruleset.Dispatch{{Addr: addr("10.244.1.5"), Chain: id}},
	}
}

// with returns the program with one more member in its first set.
func with(p *ruleset.Program, a netip.Addr) *ruleset.Program {
	q := *p
	q.Sets = slices.Clone(p.Sets)
	q.Sets[0].Members = append(slices.Clip(p.Sets[0].Members), ruleset.Member{Addr: a})
	return &q
}

// sent returns the messages that Apply sends for a delta, without a kernel.
func sent(t *testing.T, d ruleset.Delta) []netlink.Message {
	t.Helper()
	var messages []netlink.Message
	conn, err := nftables.New(nftables.AsLasting(),
		nftables.WithTestDial(func(request []netlink.Message) ([]netlink.Message, error) {
			messages = append(messages, request...)
			return nil, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	features := Newest()
	b := Backend{conn: conn, features: &features}
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return messages
}

func messageTypes(messages []netlink.Message) []int {
	var types []int
	for _, m := range messages {
		types = append(types, int(m.Header.Type))
	}
	return types
}

const subsystem = unix.NFNL_SUBSYS_NFTABLES << 8

// Fifty thousand members go in at once; then one that comes or goes is one message of a few bytes.
func TestOneMemberOfManyIsOneMessage(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	few := manyMembers(50_000)
	many := with(few, addr("10.255.0.1"))
	before := generation(t, b)
	if d := converge(t, b, few); len(d.AddSets) != 1 || generation(t, b) != before+1 {
		t.Fatalf("took %d transactions", generation(t, b)-before)
	}
	for _, step := range []struct {
		want    *ruleset.Program
		message int
	}{{many, unix.NFT_MSG_NEWSETELEM}, {few, unix.NFT_MSG_DELSETELEM}} {
		messages := sent(t, converge(t, b, step.want))
		want := []int{unix.NFNL_MSG_BATCH_BEGIN, subsystem | step.message, unix.NFNL_MSG_BATCH_END}
		if diff := cmp.Diff(want, messageTypes(messages)); diff != "" {
			t.Fatalf("messages (-want +sent):\n%s", diff)
		}
		if size := len(messages[1].Data); size > 150 {
			t.Errorf("the message of one element has %d bytes", size)
		}
	}
}

// Six thousand ranges of ports are one map: a chain with one rule for them. The kernel holds it,
// the nft program lists it and would load what it lists.
func TestManyRangesOfPorts(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	p := manySpans(6000)
	converge(t, b, p)
	have, err := b.Observe(t.Context())
	if d := ruleset.Diff(have, p); err != nil || !d.Empty() {
		t.Fatalf("%v; left to do:\n%s", err, d.String())
	}
	listed, err := exec.Command("nft", "list", "table", "inet", "picket").Output()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command("nft", "-c", "-f", "-")
	again.Stdin = bytes.NewReader(append([]byte("flush ruleset\n"), listed...))
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v: %.300s", err, out)
	}
	fewer := manySpans(5999)
	converge(t, b, fewer)
	have, err = b.Observe(t.Context())
	if d := ruleset.Diff(have, fewer); err != nil || !d.Empty() {
		t.Errorf("%v; left to do:\n%s", err, d.String())
	}
}

// manySpans is a program with a pod's chain that looks up ranges, each of which touches the next
// and leads elsewhere.
func manySpans(count int) *ruleset.Program {
	p := &ruleset.Program{}
	var peers []ruleset.ChainID
	for i := range 2 {
		c := ruleset.Chain{ID: ruleset.NewPeersID(ruleset.Ingress, string(rune('a'+i))),
			End: ruleset.EndGoBack}
		c.Steps = ruleset.Steps{ruleset.Rule{
			Peer: ruleset.InPrefix(netip.PrefixFrom(addr("10.244.0.0"), 16+8*i))}}
		peers, p.Chains = append(peers, c.ID), append(p.Chains, c)
	}
	set := ruleset.Set{ID: ruleset.SpansID(ruleset.TCP, fmt.Sprint(count)),
		Comment: "ranges of tcp ports"}
	for i := range count {
		first := uint16(65536 - 10*(count-i))
		set.Members = append(set.Members, ruleset.Member{Proto: ruleset.TCP, Port: first,
			LastPort: first + 9, Chain: peers[i%2], Reason: "a/p ingress[0]"})
	}
	id := ruleset.NewChainID(ruleset.Ingress, "default", "web-0")
	p.Chains = append(p.Chains, ruleset.Chain{ID: id, Subject: "default/web-0",
		Steps: ruleset.Steps{ruleset.Lookup{Set: set.ID}}})
	p.Sets = []ruleset.Set{set}
	p.Dispatch = []ruleset.Dispatch{{Addr: addr("10.244.1.5"), Chain: id}}
	p.Sort()
	return p
}

func TestNothingIsSentForNoChange(t *testing.T) {
	if messages := sent(t, ruleset.Delta{}); len(messages) > 0 {
		t.Errorf("%v", messageTypes(messages))
	}
}

// Every kind of set takes more members than one message holds, also where the table is there and
// large sets are filled bit by bit.
func TestManyMembersOfEveryKind(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	p := &ruleset.Program{Links: []string{"cni0"}}
	for _, f := range ruleset.Families {
		for _, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
			ruleset.Ranges} {
			p.Sets = append(p.Sets, ruleset.Set{ID: setID(kind, f), Members: spaced(kind, f, 5000)})
		}
		for _, m := range spaced(ruleset.Addresses, f, 5000) {
			p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Addr: m.Addr,
				Chain: "ingress/default/web-0"})
		}
	}
	p.Chains = []ruleset.Chain{{ID: "ingress/default/web-0"}}
	p.Sort()
	converge(t, b, p)
	converge(t, b, &ruleset.Program{})
	before := generation(t, b)
	if converge(t, b, p); generation(t, b) < before+8 {
		t.Errorf("took %d transactions for four sets and the rest", generation(t, b)-before)
	}
}

// spaced lists members that do not touch.
func spaced(kind ruleset.SetKind, f ruleset.Family, count int) []ruleset.Member {
	var members []ruleset.Member
	for a := nth(f, 0); len(members) < count; a = a.Next().Next() {
		m := ruleset.Member{Addr: a}
		switch kind {
		case ruleset.AddressPorts:
			m.Proto, m.Port = ruleset.TCP, 80
		case ruleset.Ranges:
			m.Last = a
		}
		members = append(members, m)
	}
	return members
}

// generation is the number of transactions that the namespace has seen.
func generation(t testing.TB, b *Backend) uint32 {
	t.Helper()
	conn, err := b.dial()
	if err != nil {
		t.Fatal(err)
	}
	g, err := conn.GetGen()
	if err != nil {
		t.Fatal(err)
	}
	return g.ID
}
