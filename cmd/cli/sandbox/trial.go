package cli

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// trial is one question, a pod's to a port of another one in one family: what packets answer without and with
// the policies, and what the rules say.
type trial struct {
	probe         sandbox.Probe
	door          door
	before, after sandbox.Outcome
	allowed       bool
}

func (t trial) family() ruleset.Family { return ruleset.FamilyOf(t.probe.Addr) }

// differs reports whether packets and rules disagree. An answer by somebody else is never right.
func (t trial) differs() bool {
	return (t.after == sandbox.Open) != t.allowed || t.after == sandbox.Stranger
}

func (t trial) String() string {
	return fmt.Sprintf("%s -> %s %s %s", t.probe.From, t.probe.To, t.door, t.family())
}

// judge says what the rules let pass.
type judge func(from, to endpoint, w wish) bool

// rules is the judge that speaks for the programs of all nodes, as matrix does.
func (b *blueprint) rules() judge {
	programs := compileAll(b.objects)
	return func(from, to endpoint, w wish) bool { return allowed(programs, from, to, w) }
}

// trials lists every pod with every other one's ports, in the families that both have.
func (b *blueprint) trials(rules judge) []trial {
	var list []trial
	for _, from := range b.pods {
		for _, to := range b.pods {
			if from.name == to.name {
				continue
			}
			for _, d := range to.doors {
				list = append(list, knock(from.endpoint, to.endpoint, d, rules)...)
			}
		}
	}
	return list
}

// knock asks at each address of a pod. The judge is asked for just the two addresses that the packets have.
func knock(from, to endpoint, d door, rules judge) []trial {
	var list []trial
	for _, addr := range to.addrs {
		source := like(from.addrs, addr)
		if !source.IsValid() {
			continue
		}
		one, other := from, to
		one.addrs, other.addrs = []netip.Addr{source}, []netip.Addr{addr}
		list = append(list, trial{
			probe:   sandbox.Probe{From: from.name, To: to.name, Addr: addr, Protocol: spoken[d.proto], Port: d.number},
			door:    d,
			allowed: rules(one, other, wish{proto: d.proto, port: d.number}),
		})
	}
	return list
}

// patience is how much longer than usual an answer is waited for that ought to come.
const patience = 5

// ask puts all questions at once. Where nothing came back although it was expected, it asks once more and waits
// longer: a machine that is slow is no denial.
func ask(ctx context.Context, c *sandbox.Cluster, questions []question, timeout time.Duration) error {
	if err := askOnce(ctx, c, questions, timeout); err != nil {
		return err
	}
	var again []question
	for _, q := range questions {
		if q.expected && *q.outcome == sandbox.Silent {
			again = append(again, q)
		}
	}
	if len(again) == 0 {
		return nil
	}
	return askOnce(ctx, c, again, patience*timeout)
}

// question is a probe, whether it should be answered, and where the outcome goes.
type question struct {
	probe    sandbox.Probe
	expected bool
	outcome  *sandbox.Outcome
}

func askOnce(ctx context.Context, c *sandbox.Cluster, questions []question, timeout time.Duration) error {
	probes := make([]sandbox.Probe, len(questions))
	for i, q := range questions {
		probes[i] = q.probe
	}
	outcomes, err := c.Run(ctx, probes, timeout)
	for i := range outcomes {
		*questions[i].outcome = outcomes[i]
	}
	return err
}

// askBefore is for when no policy counts yet: every pod should reach every other.
func askBefore(ctx context.Context, c *sandbox.Cluster, trials []trial, timeout time.Duration) error {
	questions := make([]question, len(trials))
	for i := range trials {
		questions[i] = question{trials[i].probe, true, &trials[i].before}
	}
	return ask(ctx, c, questions, timeout)
}

// askAfter is for when the agents enforce the policies. What gets through counts at once.
func askAfter(ctx context.Context, c *sandbox.Cluster, trials []trial, timeout time.Duration) error {
	questions := make([]question, len(trials))
	for i := range trials {
		questions[i] = question{trials[i].probe, trials[i].allowed, &trials[i].after}
	}
	return ask(ctx, c, questions, timeout)
}
