package iptables

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

// What was applied is what is observed, and a second process has nothing to do but to learn the
// rules: it sends none.
func TestObserveWhatWasApplied(t *testing.T) {
	for _, denial := range []ruleset.Denial{ruleset.Drop, ruleset.Reject} {
		t.Run(denial.String(), func(t *testing.T) {
			newNetns(t)
			p := sample(denial)
			converge(t, Open(Options{}), p)
			next := Open(Options{})
			d := left(t, next, p)
			if d.Frame || len(d.AddSets)+len(d.DelSets)+len(d.AddMembers)+len(d.DelMembers)+
				len(d.AddDispatch)+len(d.DelDispatch)+len(d.DelChains) > 0 {
				t.Errorf("a second process wants\n%s", d.String())
			}
			steps, err := next.next(d)
			if err != nil || len(steps) > 0 {
				t.Errorf("it would send %v, %v", steps, err)
			}
		})
	}
}

// foreign is what docker, kube-proxy and firewalld have in these tables, with an accept before
// everything else.
const foreign = `*filter
:DOCKER-USER - [0:0]
:KUBE-FORWARD - [0:0]
-A FORWARD -j KUBE-FORWARD
-A FORWARD -j DOCKER-USER
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*mangle
:FWD_firewalld - [0:0]
-A FORWARD -j FWD_firewalld
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*nat
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
COMMIT
`

// stateOfOthers is all of iptables and ipset that is not ours.
func stateOfOthers(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, save := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		for line := range strings.Lines(run(t, "", save)) {
			if !strings.HasPrefix(line, "#") && !strings.Contains(line, "picket-") &&
				!strings.Contains(line, "pkt-") {
				line, _, _ = strings.Cut(line, " [")
				b.WriteString(line + "\n")
			}
		}
	}
	return b.String() + run(t, "", "ipset", "save", "others")
}

// makeForeign makes rules and sets of others, such as docker's and kube-proxy's.
func makeForeign(t *testing.T) {
	t.Helper()
	run(t, foreign, "iptables-legacy-restore", "--noflush")
	run(t, foreign, "ip6tables-legacy-restore", "--noflush")
	run(t, "create others hash:ip\nadd others 192.0.2.1\n", "ipset", "restore")
}

// What others have stays as it is, from the first rule to the cleanup, which leaves nothing of ours.
func TestOnlyOurOwnIsTouched(t *testing.T) {
	newNetns(t)
	makeForeign(t)
	before := stateOfOthers(t)
	b := Open(Options{})
	for _, denial := range []ruleset.Denial{ruleset.Drop, ruleset.Reject} {
		converge(t, b, sample(denial))
		if after := stateOfOthers(t); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	}
	if removed, err := b.Cleanup(t.Context()); err != nil || !removed {
		t.Errorf("cleanup: removed %t, %v", removed, err)
	}
	if after := stateOfOthers(t); after != before {
		t.Errorf("before:\n%s\nafter the cleanup:\n%s", before, after)
	}
	if k, err := b.readKernel(t.Context()); err != nil || !k.empty() {
		t.Errorf("after the cleanup there is %v, %v", k, err)
	}
	if removed, err := b.Cleanup(t.Context()); err != nil || removed {
		t.Errorf("a second cleanup: removed %t, %v", removed, err)
	}
}

// Whatever somebody does to our rules and sets is seen, and undone.
func TestTamperingIsSeenAndUndone(t *testing.T) {
	newNetns(t)
	makeForeign(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	pod := partChain(ruleset.NewChainID(ruleset.Ingress, "default", "web-0"), 0)
	set := setName(setID(ruleset.Addresses, ruleset.IPv4), accepting, "")
	denied := setName(setID(ruleset.AddressPorts, ruleset.IPv6), denying, "")
	for _, deed := range [][]string{
		{"iptables-legacy", "-t", "mangle", "-F"},
		{"iptables-legacy", "-t", "mangle", "-D", "FORWARD", "-j", forwardChain},
		{"iptables-legacy", "-t", "mangle", "-I", "FORWARD", "-j", "ACCEPT"},
		{"iptables-legacy", "-t", "mangle", "-I", forwardChain, "-j", "RETURN"},
		{"iptables-legacy", "-t", "mangle", "-D", pod, "1"},
		{"iptables-legacy", "-t", "mangle", "-I", pod, "2", "-j", "RETURN"},
		{"iptables-legacy", "-t", "mangle", "-F", rootChain(ruleset.Ingress)},
		{"iptables-legacy", "-t", "mangle", "-N", "picket-stray"},
		{"ip6tables-legacy", "-t", "mangle", "-F", setsChain},
		{"ipset", "add", set, "192.0.2.99"},
		{"ipset", "flush", set},
		{"ipset", "flush", denied},
		{"ipset", "flush", subjectsSet(ruleset.Ingress, ruleset.IPv4)},
		{"ipset", "create", madePrefix + ruleset.Digest("x"), "hash:ip"},
	} {
		run(t, "", deed...)
		if d := left(t, b, p); d.Empty() {
			t.Errorf("%s: not seen", strings.Join(deed, " "))
		}
		converge(t, b, p)
	}
}

// A watch reports what others do, again if they do it again, and nothing else: also where the same
// segment is put after each report, as the controller does.
func TestWatchReportsOthers(t *testing.T) {
	newNetns(t)
	ns, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	b := Open(Options{NetNS: int(ns)})
	answer := func() {
		converge(t, b, sample(ruleset.Drop))
		if err := b.PutSegment(t.Context(), fencedPort); err != nil {
			t.Fatal(err)
		}
	}
	answer()
	reports := make(chan struct{}, 10)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Watch(ctx, func() { reports <- struct{}{} }) }()
	<-reports // once at the start
	// What is repaired and done again leaves sets as large as the damage before did.
	for _, words := range [][]string{{"iptables-legacy", "-t", "mangle", "-F", forwardChain},
		{"ipset", "add", "picket-egress4", "10.9.9.9"}, {"ipset", "add", "picket-egress4", "10.9.9.8"}} {
		answer()
		for len(reports) > 0 {
			<-reports
		}
		run(t, "", words...)
		select {
		case <-reports:
		case <-time.After(20 * watchEvery): // the machine may be busy
			t.Fatalf("nothing is reported of %v", words)
		}
	}
	answer()
	if b.intact.Load() == nil {
		t.Error("a segment that was there takes all for changed")
	}
	for len(reports) > 0 {
		<-reports
	}
	time.Sleep(2 * watchEvery)
	if len(reports) > 1 { // of a look that began before
		t.Errorf("%d reports of nothing", len(reports))
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What is cut is listed, by this process and the next, and what is lifted leaves nothing.
func TestCuts(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	cuts := ruleset.Cuts{
		Flows: []ruleset.Flow{
			{From: addr("10.0.0.1"), To: addr("10.0.0.2"), Proto: ruleset.TCP, Port: 80},
			{From: addr("fd00::1"), To: addr("fd00::2"), Proto: ruleset.SCTP, Port: 9},
			{From: addr("10.0.0.3"), To: addr("10.0.0.2")},
			{From: addr("fd00::3"), To: addr("fd00::2")},
		},
		Clients: []ruleset.Client{{Addr: addr("10.0.0.9"), Proto: ruleset.UDP}},
	}
	cuts.Sort()
	cut := func(c ruleset.CutChange) {
		t.Helper()
		if err := b.Cut(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	wantCuts := func(want ruleset.Cuts) {
		t.Helper()
		for _, b := range []*Backend{b, Open(Options{})} {
			have, err := b.Cuts(t.Context())
			if err != nil || !cmp.Equal(have, want, equal) {
				t.Errorf("have %v, %v; want %v", have, err, want)
			}
		}
		converge(t, b, p)
	}
	cut(ruleset.CutChange{Add: cuts})
	wantCuts(cuts)
	cut(ruleset.CutChange{Lift: ruleset.Cuts{Flows: cuts.Flows[:2], Clients: cuts.Clients}})
	wantCuts(ruleset.Cuts{Flows: cuts.Flows[2:]})
	cut(ruleset.CutChange{Lift: ruleset.Cuts{Flows: cuts.Flows[2:]}, Last: true})
	wantCuts(ruleset.Cuts{})
	if k, err := b.readKernel(t.Context()); err != nil ||
		len(k.tables[ruleset.IPv4][mainTable].chains[cutChain]) > 0 {
		t.Errorf("the chain of cuts is there: %v", err)
	}
}

var equal = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})}

// A set that a delta gives up is destroyed, and one that it makes again has its own members only.
func TestSetsComeAndGo(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	for range 3 {
		converge(t, b, &ruleset.Program{})
		if k, err := b.readKernel(t.Context()); err != nil || len(k.sets) > 12 {
			t.Errorf("%d sets are left, %v", len(k.sets), err)
		}
		converge(t, b, p)
	}
}

// A cut between an observation and a delta takes nothing from the delta.
func TestACutBeforeADelta(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	empty := &ruleset.Program{}
	converge(t, b, empty)
	if err := b.Cut(t.Context(), ruleset.CutChange{Last: true}); err != nil {
		t.Fatal(err)
	}
	have, err := Open(Options{}).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), ruleset.Diff(have, p)); err != nil {
		t.Fatal(err)
	}
	if d := left(t, b, p); !d.Empty() {
		t.Errorf("left to do:\n%s", d.String())
	}
}

// What holds on bridges stays for the next process as it is, until that says what should.
func TestTheFenceStays(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	segment := ruleset.Segment{Ports: []ruleset.Port{
		{Link: "veth1", Addrs: []netip.Addr{addr("10.244.1.5"), addr("fd00:10:244:1::5")}, Bound: true,
			Isolated: true},
		{Link: "veth2", Addrs: []netip.Addr{addr("10.244.1.6")}}, {Link: "veth3", Closed: true},
	}, Taken: []ruleset.Range{{First: addr("10.244.0.0"), Last: addr("10.244.255.255")}},
		Routers: []string{"eth0", "eth1"}}
	if err := b.PutSegment(t.Context(), segment); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*Backend{b, Open(Options{})} {
		have, err := b.Observe(t.Context())
		if err != nil || have.Condition != ruleset.Intact {
			t.Errorf("%v, %v", have.Condition, err)
		}
		converge(t, b, p)
		if k, err := b.readKernel(t.Context()); err != nil ||
			len(k.tables[ruleset.IPv4][mainTable].chains[portsChain]) == 0 {
			t.Errorf("the fence is gone: %v", err)
		} else if input := k.tables[ruleset.IPv4][mainTable].chains[inputChain]; !slices.ContainsFunc(input,
			func(r string) bool { return strings.HasSuffix(r, jump(portsChain)) }) {
			t.Errorf("it is not asked about what the node gets: %q", input)
		} else if rules := k.tables[ruleset.IPv6][mainTable].chains[fromPodsChain]; len(rules) < 2 ||
			rules[0] != fromRouter("eth0") || rules[1] != fromRouter("eth1") {
			t.Errorf("routers may not speak any more: %q", rules)
		}
	}
	if have, _, err := b.Beside(0).Look(t.Context(), p); err != nil ||
		have.Condition != ruleset.Intact {
		t.Errorf("beside: %v, %v", have.Condition, err)
	}
	// What somebody else puts before the rules is no router.
	run(t, "", "iptables-legacy", "-t", mainTable, "-I", fromPodsChain, "-j", "RETURN")
	run(t, "", "ip6tables-legacy", "-t", mainTable, "-I", fromPodsChain, "-j", "RETURN")
	if have, err := Open(Options{}).Observe(t.Context()); err != nil ||
		have.Condition != ruleset.Damaged {
		t.Errorf("%v, %v; want it damaged", have.Condition, err)
	}
	// What is put before the first look counts, not what is found then.
	next := Open(Options{})
	if err := next.PutSegment(t.Context(), ruleset.Segment{}); err != nil {
		t.Fatal(err)
	}
	converge(t, next, p)
	if k, err := next.readKernel(t.Context()); err != nil ||
		len(k.tables[ruleset.IPv4][mainTable].chains[portsChain]) > 0 {
		t.Errorf("the fence that was found is still there: %v", err)
	}
	if err := b.PutSegment(t.Context(), ruleset.Segment{}); err != nil {
		t.Fatal(err)
	}
	if d := left(t, b, p); !d.Empty() {
		t.Errorf("left to do:\n%s", d.String())
	}
}

// What answers to denied packets is looked at as all else is.
func TestWatchSeesAnswers(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Reject)
	converge(t, b, p)
	if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Intact {
		t.Fatalf("%v, %v", have.Condition, err)
	}
	same := func() bool {
		now, err := b.look(t.Context(), *b.intact.Load())
		return err == nil && b.intact.Load().equal(now)
	}
	if !same() {
		t.Error("it is different right after it was read")
	}
	run(t, "", "ip6tables-legacy", "-t", answerTable, "-F", rejectChain)
	if same() {
		t.Error("answers are gone, and nobody sees it")
	}
}

// Without any program it is known whether sets are left.
func TestLeftNeedsNoProgram(t *testing.T) {
	newNetns(t)
	b := Open(Options{})
	if left, err := b.Left(); left || err != nil {
		t.Errorf("before: %t, %v", left, err)
	}
	converge(t, b, sample(ruleset.Drop))
	if left, err := b.Left(); !left || err != nil {
		t.Errorf("with rules: %t, %v", left, err)
	}
	if _, err := b.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := b.Left(); left || err != nil {
		t.Errorf("after: %t, %v", left, err)
	}
}

func TestVersion(t *testing.T) {
	newNetns(t)
	for _, f := range ruleset.Families {
		if version, err := versionOf(f); err != nil || len(version) < 5 {
			t.Errorf("%q, %v", version, err)
		}
	}
}
