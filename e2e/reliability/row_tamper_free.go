package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/e2e/listing"
)

// tamperFree changes the table at random where nobody owns it, or the rules and sets of iptables.
// The agent must see it and repair it in half a second; in 5 s with iptables. Until then nothing
// can keep packets from passing, so what leaks or breaks in
// that time is counted apart; so is what was let in then, for the second that it may take to cut
// it.
type tamperFree struct{}

func (tamperFree) Name() string { return "tamper-free" }

func (tamperFree) Plan() plan { return plan{free: true} }

// repairLimits are how long a repair may take: nobody tells of changes of iptables, so the agent
// looks every 3 s.
var repairLimits = map[string]time.Duration{
	nftables: 500 * time.Millisecond, iptables: 5 * time.Second,
}

const (
	repairEnd = 40 * time.Second // after that no repair is expected any more
	// for all repairs; an agent that only looks at times uses it up with the first few
	repairBudget = 4 * time.Minute
)

func (tamperFree) Inject(s *testbed) error {
	t := &tampering{testbed: s, agent: s.agents[0], node: s.agents[0].node, flows: everyFlow()}
	s.excuse = "until the table was repaired and what had been let in was cut"
	var err error
	if t.have, err = s.objects(t.node); err != nil {
		return err
	}
	t.want = listing.Canonical(t.have)
	if t.others, err = s.addForeignTables(t.node); err != nil {
		return err
	}
	t.limit = repairLimits[t.agent.backend]
	wanted := s.times(200, 10)
	if t.agent.backend == iptables {
		wanted = s.times(60, 10)
	}
	for len(s.repairs) < wanted && t.used < repairBudget {
		if err := t.once(); err != nil {
			return err
		}
	}
	s.done("%d random mutations", len(s.repairs))
	t.conclude(wanted, len(s.repairs))
	return nil
}

// tampering is the state of the row.
type tampering struct {
	testbed *testbed
	agent   *agent
	node    string
	want    string           // the ruleset
	have    []listing.Object // when it was looked at last
	flows   []flow
	others  *foreignTables
	limit   time.Duration   // of a repair
	used    time.Duration   // by all repairs
	late    int             // repairs over the limit
	held    time.Duration   // that the machine held up the agent while it was late, at most
	cuts    []time.Duration // until what was let in through a window was cut, after its repair
}

// once makes one change and waits for the repair.
func (t *tampering) once() error {
	before, err := t.testbed.allArrivals()
	if err != nil {
		return err
	}
	script, err := t.mutate()
	if err != nil {
		return err
	}
	if err := t.repair(script); err != nil {
		return err
	}
	after, err := t.settle()
	if err != nil {
		return err
	}
	t.excuse(before, after)
	if after.leaks(before, t.flows) > 0 {
		err = t.awaitCut(script, after)
	}
	return errors.Join(err, t.checkForeign(script))
}

// settle waits until the servers have read what their sockets hold, and says what has arrived then.
// On a slow machine that can be all that was sent in the seconds in which nobody had the processor.
func (t *tampering) settle() (arrivals, error) {
	for stop := time.Now().Add(t.slowly(givenUp)); ; {
		t.testbed.sleep(20 * time.Millisecond)
		told, err := t.testbed.allArrivals()
		switch {
		case err != nil, time.Now().After(stop):
			return told, err
		case told.Unread == 0:
			return t.testbed.allArrivals() // with the one that was read last, and not counted yet
		}
	}
}

// slowly is a time on a machine that is as slow as is said of it.
func (t *tampering) slowly(usual time.Duration) time.Duration {
	return usual * time.Duration(t.testbed.env.slower)
}

// repair waits for the repair. It is late if a look that began after the limit still found the
// damage: a look takes its time, too, where others want the processors. What the agent itself waits
// for one does not count.
func (t *tampering) repair(script string) error {
	var damaged time.Duration
	span := t.agent.span()
	took, err := t.testbed.await(repairEnd, "repair after "+script, func() error {
		look := span.took()
		err := t.repaired()
		if err != nil {
			damaged = look
		}
		return err
	})
	t.used += took
	t.testbed.repairs = append(t.testbed.repairs, took)
	if t.isLate(damaged, t.limit, span) {
		t.late++
		t.testbed.note("repaired %v to %v after: %s", millis(damaged), millis(took), script)
	}
	return err
}

// isLate reports whether a time is over a limit, not by what the machine held the agent up alone,
// or by being as slow as is said of it.
func (t *tampering) isLate(took, limit time.Duration, s span) bool {
	limit = t.slowly(limit)
	if took <= limit {
		return false
	}
	held := s.heldUp()
	t.held = max(t.held, held)
	return took > limit+held
}

// mutate makes a change that the kernel takes.
func (t *tampering) mutate() (string, error) {
	m, change := mutator{t.testbed.random, t.have}, t.testbed.nft
	script := m.script
	if t.agent.backend == iptables {
		script, change = m.commands, t.testbed.shell
	}
	for t.testbed.ctx.Err() == nil {
		text := script()
		// else there is no such object, or it is in use
		if text != "" && change(t.node, text) == nil {
			return text, nil
		}
	}
	return "", t.testbed.ctx.Err()
}

func (t *tampering) repaired() error {
	objects, err := t.testbed.objects(t.node)
	if err != nil {
		return err
	}
	t.have = objects
	if have := listing.Canonical(objects); have != t.want {
		return errors.New("the table is not what it was:\n" + listing.Difference(t.want, have))
	}
	return nil
}

// excuse counts what the window let through, and what it kept back that no socket has lost.
func (t *tampering) excuse(before, after arrivals) {
	t.testbed.excused.leak += after.leaks(before, t.flows)
	missing := before.Overflowed - after.Overflowed
	for i, f := range t.flows {
		if name := fmt.Sprint(i); f.allowed && strings.HasPrefix(f.network, "udp") {
			missing += after.Flows[name].missing() - before.Flows[name].missing()
		}
	}
	t.testbed.excused.broken += max(0, missing)
}

// leaks counts the forbidden packets that arrived since an earlier look.
func (a arrivals) leaks(before arrivals, flows []flow) (count int) {
	for i, f := range flows {
		if name := fmt.Sprint(i); !f.allowed {
			count += a.Flows[name].Received - before.Flows[name].Received
		}
	}
	return count
}

// cutLimit is how long a connection that is not permitted may stay open; after givenUp nobody waits
// any more.
const (
	cutLimit = time.Second
	givenUp  = 10 * time.Second
)

// awaitCut waits until nothing gets through any more that was let in through a window.
func (t *tampering) awaitCut(script string, before arrivals) error {
	for span, late := t.agent.span(), 0; ; {
		t.testbed.sleep(t.slowly(100 * time.Millisecond))
		took := span.took() // what was read later has arrived by then, or the next look finds more
		after, err := t.settle()
		leaks := after.leaks(before, t.flows)
		if err != nil || leaks == 0 || took > t.slowly(givenUp) {
			t.cuts = append(t.cuts, took)
			if late > 0 {
				t.testbed.note(
					"%d packets came later than %v after the repair, until %v after it, of: %s",
					late, cutLimit, millis(took), script)
			}
			return err
		}
		if t.isLate(took, cutLimit, span) {
			late += leaks
		} else {
			t.testbed.excused.leak += leaks
		}
		before = after
	}
}

// missing is how many packets before the last one have not arrived.
func (a arrived) missing() int {
	if a.Received == 0 {
		return 0
	}
	return a.Highest + 1 - a.Received
}

// checkForeign looks after the tables of others.
func (t *tampering) checkForeign(script string) error {
	if script == flushRuleset || script == flushMangle {
		return t.others.recreate()
	}
	return t.others.check(script)
}

func (t *tampering) conclude(wanted, made int) {
	if len(t.cuts) > 0 {
		t.testbed.note("what was let in was cut %v after the repair, at the latest of %d",
			millis(slices.Max(t.cuts)), len(t.cuts))
	}
	if t.held > 0 {
		t.testbed.note(
			"the agent waited up to %v for a processor while it was late, which does not count",
			millis(t.held))
	}
	if t.late > 0 {
		t.testbed.fault("%d of %d repairs took longer than %v", t.late, made, t.limit)
	}
	if made < wanted {
		t.testbed.fault("%d mutations were wanted; there was no time for more", wanted)
	}
}
