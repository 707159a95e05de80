package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// switchOff turns off, again and again, what makes packets between ports of a bridge pass the
// agent's rules. What the agent may set is on again within a second, after the ports of isolated
// pods were closed. Where it sees /proc/sys read-only, as in the DaemonSet, it is not ready, and
// within a second isolated pods exchange nothing with their neighbours until somebody turns it on.
// Until then nothing can keep packets from passing, so that is counted apart; so is what was let in
// then, for the second that it may take to end. With iptables, which can't close a port, that is
// until the switch is on again.
type switchOff struct{ readOnly bool }

func (r switchOff) Name() string {
	if r.readOnly {
		return "switch-read-only"
	}
	return "switch"
}

func (switchOff) Plan() plan { return plan{} }

// switches are those of br_netfilter.
var switches = []string{"/proc/sys/net/bridge/bridge-nf-call-iptables",
	"/proc/sys/net/bridge/bridge-nf-call-ip6tables"}

// switchesOf returns which of them a round turns off: one alone, the other alone, then both.
func switchesOf(round int) []string {
	return [][]string{switches[:1], switches[1:], switches}[round%3]
}

const (
	switchLimit = time.Second // until a switch that is off has no effect any more
	closedFor   = 2 * time.Second
	lateCount   = 500 * time.Millisecond // until servers have counted what is in their queues
)

func (r switchOff) Inject(s *testbed) error {
	t := &tampering{testbed: s, agent: s.agents[0], node: s.agents[0].node, flows: everyFlow()}
	s.excuse = "until the switch was on again, or the ports closed"
	s.breakExpected = true // while ports are closed, permitted packets are lost, too
	if r.readOnly {
		if err := t.agent.makeReadOnly(); err != nil {
			return err
		}
	}
	rounds := s.times(20, 4)
	for n := range rounds {
		if err := t.switchedOff(switchesOf(n), r.readOnly); err != nil {
			return err
		}
	}
	s.done("%d times", rounds)
	if t.late > 0 {
		s.fault("%d of %d times it took longer than %v", t.late, rounds, switchLimit)
	}
	return nil
}

// makeReadOnly starts an agent anew that sees /proc/sys read-only.
func (a *agent) makeReadOnly() error {
	a.kill()
	const script = `mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"`
	return errors.Join(a.start("unshare", "--mount", "--propagation=private", "sh", "-c", script,
		"sh"), a.awaitReady(patience))
}

// switchedOff turns switches off once and waits until that has no effect.
func (t *tampering) switchedOff(paths []string, readOnly bool) error {
	before, err := t.testbed.allArrivals()
	if err != nil {
		return err
	}
	if err := t.turn(paths, "0"); err != nil {
		return err
	}
	span := t.agent.span()
	over := t.switchedOn
	if readOnly {
		over = t.saysThatItIsNotReady
	}
	took, err := t.testbed.await(patience, "the switch has no effect", over)
	if err != nil {
		return err
	}
	t.testbed.repairs = append(t.testbed.repairs, took)
	if t.isLate(took, switchLimit, span) {
		t.late++
	}
	// Nothing of iptables closes a port: packets pass until the switch is on again.
	stillPass := readOnly && t.testbed.env.backend == iptables
	if stillPass {
		t.testbed.sleep(closedFor)
		if err := t.turn(paths, "1"); err != nil {
			return err
		}
	}
	t.testbed.sleep(lateCount)
	after, err := t.testbed.allArrivals()
	if err != nil {
		return err
	}
	t.excuse(before, after)
	if after.leaks(before, t.flows) > 0 {
		err = t.awaitCut("switching off", after)
	}
	if err == nil && readOnly && !stillPass {
		t.testbed.sleep(closedFor)
		err = t.turn(paths, "1")
	}
	return errors.Join(err, t.agent.awaitReady(patience))
}

func (t *tampering) turn(paths []string, value string) error {
	return t.testbed.InNode(t.node, func() error {
		var errs []error
		for _, path := range paths {
			errs = append(errs, os.WriteFile(path, []byte(value), 0))
		}
		return errors.Join(errs...)
	})
}

func (t *tampering) switchedOn() error {
	return t.testbed.InNode(t.node, func() error {
		off := slices.DeleteFunc(slices.Clone(switches), func(path string) bool {
			value, err := os.ReadFile(path)
			return err == nil && strings.TrimSpace(string(value)) == "1"
		})
		if len(off) > 0 {
			return fmt.Errorf("off: %q", off)
		}
		return nil
	})
}

func (t *tampering) saysThatItIsNotReady() error {
	r, err := t.agent.client().Readiness()
	if err == nil && (r.Ready || !strings.Contains(r.Reasons["host"], "sysctl -w")) {
		err = fmt.Errorf("ready: %t, %v", r.Ready, r.Reasons)
	}
	return err
}
