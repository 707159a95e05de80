package ebtables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// empty is a table as the kernel makes it: a chain without rules for each hook.
func empty(name string, hooks ...int) Table {
	t := Table{name: name}
	for _, h := range hooks {
		t.hooks |= 1 << h
		t.chains = append(t.chains, Chain{Name: bases[h], policy: Accept})
	}
	return t
}

// crowded is a table in which others have rules: with a chain, a target that is no verdict, and a
// watcher, none of which this package makes.
func crowded() Table {
	t := empty("nat", 0, 3, 4)
	body := NewRule("", In("veth9")).body
	body = body[:nextAt] + string(binary.NativeEndian.AppendUint32(nil, sizeOfEntry+2*(sizeOfTarget+8))) +
		body[sizeOfEntry:sizeOfEntry]
	body = body[:targetAt] + string(binary.NativeEndian.AppendUint32(nil, sizeOfEntry+sizeOfTarget+8)) + body[nextAt:]
	body += string(head("nflog", 8)) + "watching" + string(head("snat", 8)) + "to them!"
	t.chains[0].Rules = []Rule{NewRule("libvirt", Protocol(ARP)), {body: body}, NewRule(Accept)}
	t.chains[0].policy = Drop
	t.chains = append(t.chains, Chain{Name: "libvirt", policy: Accept,
		Rules: []Rule{NewRule(goOn), NewRule("further")}}, Chain{Name: "further", policy: Return})
	return t
}

// layout is a part of what a backend wants.
func layout() Layout {
	return Layout{Table: "nat", Chains: []Chain{
		{Name: "my-first", Rules: []Rule{
			NewRule("my-second", Protocol(TaggedFrame), VLAN(0)),
			NewRule(Drop, Protocol(ARP), In("veth1"), ARPSender(netip.MustParsePrefix("10.0.0.0/8"))),
			NewRule(Return, SourceMAC([6]byte{2, 1}, AllMAC)),
			NewRule(Drop, Protocol(IPv6), Out("veth1"), Destination(netip.MustParsePrefix("fd00::1/128"))),
			NewRule(Return, Protocol(IPv6), ICMPv6(135)),
		}},
		{Name: "my-second", Rules: []Rule{NewRule(Drop, In("veth1"))}},
	}, Hooks: []Hook{{"PREROUTING", "my-first"}}}
}

func mine(chain string) bool { return strings.HasPrefix(chain, "my-") }

// again is a table as it is read after it was written.
func again(t *testing.T, was Table) Table {
	t.Helper()
	entries, places, err := was.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(was, entries, places); err != nil {
		t.Fatal(err)
	}
	read, err := decode(was.name, was.hooks, entries)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// verify refuses what the kernel refuses (ebt_verify_pointers, translate_table, ebt_check_entry).
func verify(t Table, entries []byte, places map[string]int) error {
	chain, left, rules := "", 0, 0
	for at := 0; at < len(entries); {
		b := entries[at:]
		if u32(b) == 0 {
			if left != 0 {
				return fmt.Errorf("%d rules of chain %s are missing", left, chain)
			}
			chain, left = text(b[nameAt:counterAt]), int(u32(b[lengthAt:]))
			if places[chain] != at || int(u32(b[counterAt:])) != rules {
				return fmt.Errorf("chain %s at %d after %d rules", chain, at, rules)
			}
			at += sizeOfChain
			continue
		}
		watchers, target, next := u32(b[watchersAt:]), u32(b[targetAt:]),
			u32(b[nextAt:])
		if watchers < sizeOfEntry || target < watchers || next < target+sizeOfTarget ||
			next%alignment != 0 {
			return fmt.Errorf("a rule of chain %s: %d %d %d", chain, watchers, target, next)
		}
		for m := uint32(sizeOfEntry); m != target; m += sizeOfTarget + u32(b[m+maxName+1:]) {
			if m > target {
				return fmt.Errorf("a match of chain %s goes beyond the target", chain)
			}
		}
		left, rules, at = left-1, rules+1, at+int(next)
	}
	if left != 0 || rules != t.count() {
		return fmt.Errorf("%d rules, %d left", rules, left)
	}
	return nil
}

func TestTableIsReadAsItIsWritten(t *testing.T) {
	for name, was := range map[string]Table{"empty": empty("filter", 1, 2, 3), "crowded": crowded()} {
		want, _, err := was.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := again(t, was).encode()
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %v\n%q\n%q", name, err, got, want)
		}
	}
}

// Others' chains and rules are the same bytes while there is something of ours, but for the places
// to which they lead, and all of it is as it was when ours has gone.
func TestOthersStay(t *testing.T) {
	was := again(t, crowded())
	with := again(t, was.With(layout(), mine))
	if !with.Has(layout(), mine) || was.Has(layout(), mine) || !with.Holds(mine) {
		t.Fatal("a layout is not found where it was put, or where it was not")
	}
	for i, c := range was.chains {
		now := with.chains[i]
		if i == 0 {
			if now.Rules[0].to != "my-first" {
				t.Errorf("the first rule leads to %q", now.Rules[0].to)
			}
			now.Rules = now.Rules[1:]
		}
		if now.Name != c.Name || now.policy != c.policy ||
			!slices.EqualFunc(now.Rules, c.Rules, Rule.same) {
			t.Errorf("%s: %v", c.Name, now)
		}
	}
	want, _, _ := was.encode()
	got, _, err := with.With(Layout{Table: "nat"}, mine).encode()
	if err != nil || string(got) != string(want) {
		t.Errorf("%v: what is left\n%q\n%q", err, got, want)
	}
}

// What somebody does to what is ours is found, and put right; a rule of theirs that stands behind
// ours is none of our business.
func TestTamperingIsFound(t *testing.T) {
	deeds := map[string]func(*Table){
		"a rule is gone":        func(t *Table) { t.chains[5].Rules = t.chains[5].Rules[1:] },
		"a chain is flushed":    func(t *Table) { t.chains[5].Rules = nil },
		"a policy":              func(t *Table) { t.chains[5].policy = Accept },
		"nothing leads to them": func(t *Table) { t.chains[0].Rules = t.chains[0].Rules[1:] },
		"a rule comes first": func(t *Table) {
			t.chains[0].Rules = slices.Insert(t.chains[0].Rules, 0, NewRule(Accept))
		},
		"a rule leads to one": func(t *Table) {
			t.chains[1].Rules = []Rule{NewRule("my-second")}
		},
		"one more chain": func(t *Table) {
			t.chains = append(t.chains, Chain{Name: "my-own", policy: Drop})
		},
		"a rule is another": func(t *Table) {
			t.chains[5].Rules[1] = NewRule(Return, Protocol(ARP))
		},
	}
	for name, do := range deeds {
		was := again(t, crowded().With(layout(), mine))
		now := again(t, was)
		do(&now)
		now = again(t, now)
		if now.Has(layout(), mine) {
			t.Errorf("%s: not found", name)
		}
		if now.Sketch(mine) == was.Sketch(mine) {
			t.Errorf("%s: the sketch is the same", name)
		}
		if !again(t, now.With(layout(), mine)).Has(layout(), mine) {
			t.Errorf("%s: not put right", name)
		}
	}
	behind := again(t, crowded().With(layout(), mine))
	behind.chains[0].Rules = append(behind.chains[0].Rules, NewRule(Drop))
	if !behind.Has(layout(), mine) {
		t.Error("a rule of others behind ours counts")
	}
}

func TestLayoutIsPrintedAsCommands(t *testing.T) {
	want := `-t nat -N my-first -P RETURN
-t nat -N my-second -P RETURN
-t nat -A my-first -p 802_1Q --vlan-id 0 -j my-second
-t nat -A my-first -p ARP -i veth1 --arp-ip-src 10.0.0.0/8 -j DROP
-t nat -A my-first -s 02:01:00:00:00:00 -j RETURN
-t nat -A my-first -p IPv6 -o veth1 --ip6-dst fd00::1 -j DROP
-t nat -A my-first -p IPv6 --ip6-proto ipv6-icmp --ip6-icmp-type 135/0:255 -j RETURN
-t nat -A my-second -i veth1 -j DROP
-t nat -I PREROUTING 1 -j my-first
`
	if got := layout().String(); got != want {
		t.Error(got)
	}
}

// What cannot be a table is refused, and no byte is read that is not there.
func FuzzDecode(f *testing.F) {
	entries, _, err := crowded().With(layout(), mine).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(entries)
	f.Add(entries[:len(entries)-1])
	f.Fuzz(func(t *testing.T, entries []byte) {
		table, err := decode("nat", 25, entries)
		if err == nil {
			_, _, _ = table.encode()
		}
	})
}
