package sandbox_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset/oracle"
)

// toNext relabels the job, which turns most answers.
func toNext(s *stage) { s.pod("a/job", relabel("next")) }

const afterFlows = `deny a/job > a/web TCP 80
	allow a/job > a/far TCP 80
	allow a/web > a/job TCP 80`

// breakdowns are ways in which a transaction fails: of those given, in turn, then it works again.
var breakdowns = []struct {
	name string
	fail []func(apply func() error) error
}{
	{"refused", []func(func() error) error{refuse}},
	{"carried out, but the answer was lost", []func(func() error) error{carryOut}},
	{"refused several times", []func(func() error) error{refuse, refuse, carryOut, refuse}},
}

func refuse(func() error) error { return unix.ENOMEM }

func carryOut(apply func() error) error { return errors.Join(apply(), unix.ENOBUFS) }

// After a transaction that failed, with the next events on their way already, memory and kernel
// agree again.
func TestFailedTransactionOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, row := range breakdowns {
		t.Run(row.name, func(t *testing.T) {
			r.report(t)
			r.become(jobs.world(t))
			second := changedWorld(t, r.told, toNext)
			for _, a := range r.agents {
				a.tap.breakdown(inTurn(a, row.fail))
			}
			for _, e := range r.news(second) {
				r.send(e)
			}
			third := changedWorld(t, second, func(s *stage) { s.dropPolicy("a/web") })
			r.tell(third)
			r.check(third, `allow a/job > a/web TCP 80
				allow a/job > a/far TCP 80
				allow a/web > a/job TCP 80
				deny a/web > a/far TCP 80`)
			r.agree(third)
		})
	}
}

// loseAnswers has the next transaction of each node carried out and fail.
func (r *rig) loseAnswers() {
	for _, a := range r.agents {
		a.tap.breakdown(inTurn(a, []func(func() error) error{carryOut}))
	}
}

// inTurn breaks the next transactions of a node, one way after the other.
func inTurn(a *agent, ways []func(func() error) error) func(func() error) error {
	return func(apply func() error) error {
		way := ways[0]
		if ways = ways[1:]; len(ways) == 0 {
			a.tap.broken = nil // under the lock of the tap that calls
		}
		return way(apply)
	}
}

// While the kernel refuses everything the last good rules stay, and the node says why it is not
// ready.
func TestLastGoodRulesStayOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	first := jobs.world(t)
	r.become(first)
	for _, a := range r.agents {
		a.tap.breakdown(refuse)
	}
	second := changedWorld(t, first, toNext)
	r.send(r.news(second)...)
	for _, node := range []string{"n1", "n2"} {
		a := r.agents[node]
		a.await(t, "it is not ready for the kernel's sake",
			func() bool { return a.control.Health.Readiness().Reasons["kernel"] != "" })
	}
	r.check(first, jobs.flows)
	r.agree(first)
	for _, a := range r.agents {
		a.tap.breakdown(nil)
	}
	r.waitInForce()
	r.check(second, afterFlows)
	r.agree(second)
}

// A controller that ends leaves its rules, and the next one takes them over as they are.
func TestRestartOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := jobs.world(t)
	r.become(w)
	before := r.tables()
	r.restart(w, func() { r.check(w, jobs.flows) })
	for node, a := range r.agents {
		for _, d := range a.tap.drain() {
			if !onIPTables() { // there, the rules are asked for anew, and compared
				t.Errorf("node %s: the new controller changed what it found:\n%s", node, d.String())
			}
		}
	}
	if after := r.tables(); onIPTables() && uncounted(after) != uncounted(before) {
		t.Errorf("the new controller changed what it found:\n%s\nto\n%s", before, after)
	}
	r.check(w, jobs.flows)
	r.agree(w)
	later := changedWorld(t, w, toNext)
	r.restart(later, func() { r.check(w, jobs.flows) })
	for node, a := range r.agents {
		for _, d := range a.tap.drain() {
			if d.Frame || len(d.AddSets) > 0 {
				t.Errorf("node %s: the new controller did more than what changed while it was "+
					"away:\n%s", node, d.String())
			}
		}
	}
	r.check(later, afterFlows)
	r.agree(later)
}

// restart ends all controllers and their sockets, lets something be done meanwhile, and starts new
// ones that hear of everything anew.
func (r *rig) restart(w *oracle.World, meanwhile func()) {
	r.t.Helper()
	for _, a := range r.agents {
		a.stop()
		a.tap.drain()
	}
	meanwhile()
	r.told = &oracle.World{}
	news := r.news(w)
	for _, a := range r.agents {
		a.start(r.t)
	}
	r.feed(news...)
}

// terminating has pods in a namespace that will terminate.
var terminating = setting{
	pods: `a/web n1 app=web
		a/other n2
		b/cli n1`,
	policies: []string{`a/deny {podSelector: {}, policyTypes: [Ingress, Egress]}`},
	flows: `deny b/cli > a/web TCP 80
		deny a/web > b/cli TCP 80`,
}

// While a namespace terminates its policies go on isolating, though they are deleted, until its
// pods are gone (CVE-2024-7598). What the API has is told; what is in force is more.
func TestTerminatingNamespaceOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := terminating.world(t)
	r.become(w)
	ending := changedWorld(t, w, func(s *stage) { s.end("a") })
	r.become(ending)
	told := changedWorld(t, ending, func(s *stage) { s.Policies = nil })
	for _, gone := range []string{"nobody", "a/other"} {
		drop := func(s *stage) { s.dropPod(gone) }
		ending, told = changedWorld(t, ending, drop), changedWorld(t, told, drop)
		r.become(told)
		r.check(ending, terminating.flows)
		r.agree(ending)
	}
	empty := changedWorld(t, told, func(s *stage) { s.dropPod("a/web") })
	r.ended(empty, w)
}

// ended brings a namespace to its end, and checks that one of its name begins without policies.
func (r *rig) ended(empty, before *oracle.World) {
	r.t.Helper()
	r.become(empty)
	r.agree(empty)
	again := changedWorld(r.t, before, func(s *stage) { s.Policies = nil })
	r.become(again)
	r.check(again, `allow b/cli > a/web TCP 80
		allow a/web > b/cli TCP 80`)
	r.agree(again)
}

// A new agent, whom nobody tells of the policies that are deleted, denies the pods of a namespace
// that terminates as well, until they are gone.
func TestTerminatingNamespaceOutlivesTheAgentOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := terminating.world(t)
	r.become(w)
	ending := changedWorld(t, w, func(s *stage) { s.end("a") })
	told := changedWorld(t, ending, func(s *stage) { s.Policies = nil })
	for range 2 {
		r.restart(told, func() {})
		r.check(ending, terminating.flows)
	}
	empty := changedWorld(t, told, func(s *stage) {
		s.dropPod("a/web")
		s.dropPod("a/other")
	})
	r.ended(empty, w)
}
