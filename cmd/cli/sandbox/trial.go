package sandbox

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// trial is whether a pod reaches a port of another pod in one address family: what packets answer
// without and with the policies, and what the rules say.
type trial struct {
	probe         sandbox.Probe
	port          inspect.Port
	before, after sandbox.Outcome
	allowed       bool
}

// family is the address family of the probe's packets.
func (t trial) family() ruleset.Family { return ruleset.FamilyOf(t.probe.Addr) }

// differs reports whether packets and rules disagree. An answer by somebody else is always wrong.
func (t trial) differs() bool {
	return (t.after == sandbox.Open) != t.allowed || t.after == sandbox.Stranger
}

func (t trial) String() string {
	return fmt.Sprintf("%s -> %s %s %s", t.probe.From, t.probe.To, t.port, t.family())
}

// decide says whether the rules let one pod reach a port of another.
type decide func(from, to inspect.Pod, port inspect.Port) bool

// rules decides as the programs of all nodes do, and so as the verb matrix does.
func (p *plan) rules() decide { return inspect.NodesOf(p.objects).Allowed }

// trials lists every pod with the ports of every other one, in the families that both have.
func (p *plan) trials(rules decide) []trial {
	var list []trial
	for from, to := range p.pairs() {
		for _, port := range to.ports {
			list = append(list, trialsBetween(from.Pod, to.Pod, port, rules)...)
		}
	}
	return list
}

// pairs goes through every pod with every other one: no policy decides what a pod sends to itself.
func (p *plan) pairs() iter.Seq2[podPlan, podPlan] {
	return func(yield func(from, to podPlan) bool) {
		for _, from := range p.pods {
			for _, to := range p.pods {
				if from.Name != to.Name && !yield(from, to) {
					return
				}
			}
		}
	}
}

// addresses goes through the addresses of the second pod with that of the first of the same family,
// where it has one.
func addresses(from, to inspect.Pod) iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(source, addr netip.Addr) bool) {
		for _, addr := range to.Addrs {
			source := inspect.SameFamily(from.Addrs, addr)
			if source.IsValid() && !yield(source, addr) {
				return
			}
		}
	}
}

// trialsBetween makes a trial of each address of the second pod. The rules are asked for just the
// two addresses that the packets will have.
func trialsBetween(from, to inspect.Pod, port inspect.Port, rules decide) []trial {
	var list []trial
	for source, addr := range addresses(from, to) {
		list = append(list, trial{
			probe: sandbox.Probe{
				From: from.Name, To: to.Name,
				Addr: addr, Protocol: probeProtocols[port.Protocol], Port: port.Number,
			},
			port:    port,
			allowed: rules(from.At(source), to.At(addr), port),
		})
	}
	return list
}

// prober sends probes in a cluster.
type prober struct {
	cluster *sandbox.Cluster
	timeout time.Duration
	shown   progress
}

// question is a probe, whether it should be answered, and where the outcome goes.
type question struct {
	probe    sandbox.Probe
	expected bool
	outcome  *sandbox.Outcome
}

// before sends the probes while there are no policies: every pod should reach every other.
func (p prober) before(ctx context.Context, trials []trial) error {
	questions := make([]question, len(trials))
	for i := range trials {
		questions[i] = question{trials[i].probe, true, &trials[i].before}
	}
	return p.ask(ctx, questions)
}

// after sends the probes when the agents enforce the policies. What gets through although it is
// denied counts at once.
func (p prober) after(ctx context.Context, trials []trial) error {
	questions := make([]question, len(trials))
	for i := range trials {
		questions[i] = question{trials[i].probe, trials[i].allowed, &trials[i].after}
	}
	return p.ask(ctx, questions)
}

// longer is how many times as long an answer is waited for that should have come but did not.
const longer = 5

// atOnce is how many probes are sent together. Each such part waits for what will not come.
const atOnce = 10_000

// ask sends all probes. If no answer came to some that expected one, it sends those again
// and waits longer: a slow machine must not look like a denial.
func (p prober) ask(ctx context.Context, questions []question) error {
	for some := range slices.Chunk(questions, atOnce) {
		if err := p.askOnce(ctx, some); err != nil {
			return err
		}
		p.shown.done(len(some))
	}
	var again []question
	for _, q := range questions {
		// A probe that should be denied is not repeated: silence is what it is about.
		if q.expected && *q.outcome == sandbox.Silent {
			again = append(again, q)
		}
	}
	if len(again) == 0 {
		return nil
	}
	// p is a copy, so the next call begins with the short timeout again.
	p.timeout *= longer
	return p.askOnce(ctx, again)
}

// askOnce sends the probes of all questions at once, and writes down the outcome of each.
func (p prober) askOnce(ctx context.Context, questions []question) error {
	probes := make([]sandbox.Probe, len(questions))
	for i, q := range questions {
		probes[i] = q.probe
	}
	outcomes, err := p.cluster.Run(ctx, probes, p.timeout)
	for i := range outcomes {
		*questions[i].outcome = outcomes[i]
	}
	return err
}
