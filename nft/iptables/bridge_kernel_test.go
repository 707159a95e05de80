package iptables

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/nft/iptables/ebtables"
	"github.com/picket-project/picket/ruleset"
)

// needEbtables skips a test where the kernel has no legacy ebtables, or its program is not here.
func needEbtables(t *testing.T) {
	t.Helper()
	newNetns(t)
	if _, err := exec.LookPath("ebtables-legacy"); err != nil {
		t.Skipf("SKIPPED, THE KERNEL IS NOT TESTED: %v", err)
	}
	if err := Open(Options{}).tryBridges(); err != nil {
		t.Skipf("SKIPPED, THE KERNEL IS NOT TESTED: %v", err)
	}
}

// printedBridges is what the program of ebtables prints of both tables.
func printedBridges(t *testing.T) (text string) {
	for _, table := range bridgeTables {
		text += run(t, "", "ebtables-legacy", "-t", table, "-L", "--Lc")
	}
	return text
}

// othersOnBridges makes rules as others do.
func othersOnBridges(t *testing.T) {
	for _, words := range []string{
		"-t nat -N libvirt-J-vnet0", "-t nat -A PREROUTING -i vnet0 -j libvirt-J-vnet0",
		"-t nat -A libvirt-J-vnet0 -p ARP --arp-opcode Request -j ACCEPT",
		"-t nat -A libvirt-J-vnet0 -s 52:54:00:0:0:1 --among-dst 52:54:0:0:0:2=10.0.0.1, -j DROP",
		"-t nat -A POSTROUTING -o vnet0 --log-level debug -j snat --to-source 52:54:0:0:0:3",
		"-t filter -P INPUT DROP", "-t filter -N further -P DROP",
		"-t filter -A FORWARD -p IPv4 --ip-proto udp --ip-dport 67:68 -j mark --mark-set 0x7",
		"-t filter -A FORWARD -j further", "-t filter -A further --limit 1/sec -j RETURN",
	} {
		run(t, "", append([]string{"ebtables-legacy"}, strings.Fields(words)...)...)
	}
}

// What is put on bridges is found again, by the next process too; others' rules are printed as before
// while it is there, and when it is gone.
func TestBridgesInTheKernel(t *testing.T) {
	needEbtables(t)
	othersOnBridges(t)
	before := printedBridges(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	if err := b.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Fatal(err)
	}
	converge(t, b, p)
	with := printedBridges(t)
	for line := range strings.Lines(before) {
		if strings.HasPrefix(line, "Bridge ") { // with the number of rules
			continue
		}
		if !strings.Contains(with, line) {
			t.Errorf("a rule of somebody else is gone: %s", line)
		}
	}
	next := Open(Options{})
	if err := next.onBridges(func(kernel *ebtables.Conn) error {
		for _, l := range bridgeLayouts(bridgeSample()) {
			if changed, err := kernel.Put(l, isOurs); changed || err != nil {
				t.Errorf("%s is put again: %t, %v", l.Table, changed, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := b.PutSegment(t.Context(), ruleset.Segment{}); err != nil {
		t.Fatal(err)
	}
	if after := printedBridges(t); after != before {
		t.Errorf("others' rules are other ones:\n%s\nexpected\n%s", after, before)
	}
}

// The program prints rules that are made here as it prints those that it makes of their texts itself.
// Their bytes differ where no flag of the rule has the kernel look.
func TestBridgesArePrinted(t *testing.T) {
	needEbtables(t)
	b := Open(Options{})
	if err := b.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Fatal(err)
	}
	made := printedBridges(t)
	if err := b.PutSegment(t.Context(), ruleset.Segment{}); err != nil {
		t.Fatal(err)
	}
	// The same chains, by the program alone.
	for line := range strings.Lines(layoutText(bridgeSample())) {
		run(t, "", append([]string{"ebtables-legacy"}, strings.Fields(line)...)...)
	}
	if printed := printedBridges(t); sortedLines(printed) != sortedLines(made) {
		t.Errorf("the program makes\n%s\nof what is printed, here is\n%s", printed, made)
	}
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// What somebody does to what is ours is seen by the look that is taken every few seconds, found by
// Observe, and undone by PutSegment.
func TestBridgesAreRepaired(t *testing.T) {
	needEbtables(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	for _, deed := range []string{"-t nat -F", "-t nat -X", "-t filter -F picket-outgoing4",
		"-t nat -D picket-arp 1", "-t nat -I PREROUTING -j ACCEPT", "-t filter -D FORWARD 1",
		"-t filter -P picket-receiver ACCEPT", "-t nat --init-table"} {
		if err := b.PutSegment(t.Context(), bridgeSample()); err != nil {
			t.Fatal(err)
		}
		converge(t, b, p)
		intact := b.intact.Load()
		if intact == nil {
			t.Fatal("it is not intact")
		}
		if strings.HasSuffix(deed, "-X") {
			run(t, "", "ebtables-legacy", "-t", "nat", "-F")
		}
		run(t, "", append([]string{"ebtables-legacy"}, strings.Fields(deed)...)...)
		if now, err := b.look(t.Context(), *intact); err != nil || intact.equal(now) {
			t.Errorf("%s: the look sees nothing, %v", deed, err)
		}
		have, err := b.Observe(t.Context())
		if err != nil || have.Condition != ruleset.Damaged {
			t.Errorf("%s: %v, %v", deed, have.Condition, err)
		}
	}
	removed, err := b.Cleanup(t.Context())
	if text := printedBridges(t); err != nil || !removed || strings.Contains(text, ownPrefix) {
		t.Errorf("%t, %v: left\n%s", removed, err, text)
	}
}

// A kernel without ebtables is no error, and said.
func TestWithoutEbtables(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	lack := b.tryBridges()
	if lack == nil {
		t.Skip("this kernel has legacy ebtables")
	}
	if !errors.Is(lack, ebtables.ErrMissing) || !strings.Contains(lack.Error(), "ebtable_nat") {
		t.Error(lack)
	}
	converge(t, b, p)
	if err := b.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Error(err)
	}
	converge(t, b, p)
	have, err := b.Observe(t.Context())
	if err != nil || have.Condition != ruleset.Intact {
		t.Errorf("%v, %v", have.Condition, err)
	}
	list, _ := b.Features()
	at := slices.IndexFunc(list, func(f ruleset.Feature) bool { return f.Name == "bridge_hooks" })
	if list[at].Here || !strings.Contains(list[at].Lack(), "ebtables") {
		t.Error(list[at])
	}
}

// A segment that is put for the first time is watched from the next look on, also where an agent before
// has left all of it.
func TestBridgesAreWatchedAfterARestart(t *testing.T) {
	needEbtables(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	if err := b.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Fatal(err)
	}
	next := Open(Options{})
	converge(t, next, p)
	if err := next.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Fatal(err)
	}
	if at := next.intact.Load(); at != nil && at.bridges == "" {
		t.Error("all is taken for looked at, and ebtables was not")
	}
	converge(t, next, p)
	if err := next.PutSegment(t.Context(), bridgeSample()); err != nil {
		t.Fatal(err)
	}
	if at := next.intact.Load(); at == nil || at.bridges == "" {
		t.Error("what is there already is taken for a change")
	}
	if err := next.PutSegment(t.Context(), ruleset.Segment{}); err != nil ||
		next.intact.Load() != nil {
		t.Errorf("what goes is no change: %v", err)
	}
}

// Others who change ebtables at the same time lose nothing, and neither does what is put here.
func TestBridgesBesideOthers(t *testing.T) {
	needEbtables(t)
	inNamespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer inNamespace.Close()
	b := Open(Options{NetNS: int(inNamespace.Fd())})
	done := make(chan error)
	go func() {
		for i := range 100 {
			s := bridgeSample()
			s.Ports = s.Ports[i%2:] // others are known each time
			if err := b.PutSegment(t.Context(), s); err != nil {
				done <- err
				return
			}
		}
		done <- b.PutSegment(t.Context(), bridgeSample())
	}()
	const rules = 20
	for i := range rules {
		run(t, "", "ebtables-legacy", "--concurrent", "-t", "nat", "-A", "POSTROUTING", "-o",
			fmt.Sprint("vnet", i), "-j", "ACCEPT")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if text := run(t, "", "ebtables-legacy", "-t", "nat", "-L", "POSTROUTING"); strings.Count(text,
		"-o vnet") != rules {
		t.Errorf("rules of others are lost:\n%s", text)
	}
	if _, same, err := b.bridgeCondition(); err != nil || !same {
		t.Errorf("ours are as they should be: %t, %v", same, err)
	}
}
