package main

import (
	"context"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

const policyText = `A policy is created on a node whose kernel holds everything: it is parsed, goes into the graph, the delta is
made and committed. Then it is deleted again. One of them chooses all 250 local pods, which are then in one namespace and
nothing else is said of them. The first is there twice (A/A). Chains and members are what the kernel makes in the commit,
one after the other: two chains of five rules or so for each pod that is isolated in both directions. CPU is what the
process used for it on all cores, the kernel's part with it.`

// runPolicy creates and deletes in the largest cluster.
func runPolicy(ctx context.Context, s scale) (part, error) {
	p := part{text: policyText, heads: []string{"policy", "times", "created p50", "fastest", "p99", "of it commit p50", "chains", "members", "CPU p50", "deleted p50"}}
	cases, err := policyCases(ctx, samplecluster.Sized(largest(s.pods)))
	if err != nil {
		return p, err
	}
	return p, p.create(ctx, s, cases)
}

// policyCases are the policies, the first of them twice, and the kernels that they come to, which end with the process.
func policyCases(ctx context.Context, size samplecluster.Size) ([]policyCase, error) {
	crowd, few := size.Local, fmt.Sprintf("of %d local pods, ", servers)
	spread, err := settled(ctx, size, nil)
	if err != nil {
		return nil, err
	}
	size.Local = 1
	together, err := settled(ctx, size, crowdEvents(crowd))
	if err != nil {
		return nil, err
	}
	everyone := fmt.Sprintf("of all %d local pods, ", crowd)
	first := policyCase{name: few + "for others of the namespace", where: spread, policy: object(home, "new", "server", peerIn("new"))}
	again := first
	again.name = "the first again"
	return []policyCase{
		first,
		{name: few + "for an application of all namespaces", where: spread, policy: object(home, "new", "server", peerFrom(nil, map[string]string{"app": "app-7"}))},
		{name: few + "for every fifth pod of the cluster", where: spread, policy: object(home, "new", "server", peerFrom(nil, map[string]string{"app.kubernetes.io/component": "api"}))},
		{name: everyone + "denying all", where: together, policy: denial("crowd")},
		{name: everyone + "for others of the namespace", where: together, policy: object("crowd", "new", "crowd", peerIn("new"))},
		again,
	}, nil
}

func (p *part) create(ctx context.Context, s scale, cases []policyCase) error {
	var turns []turn
	for i := range cases {
		turns = append(turns, func() (samples, error) { return cases[i].round(ctx) })
	}
	all, err := alternate(s.rounds, s.limit, turns)
	if err != nil {
		return err
	}
	again := all[len(all)-1].over(all[0])
	for i, c := range cases {
		p.row(c.name, fmt.Sprint(len(all[i])), short(all[i].median()), short(all[i].at(0)), short(all[i].at(0.99)),
			short(c.commits.median()), count(c.chains), count(c.members), short(c.cpu.median()), short(c.deleted.median()))
	}
	for i, c := range cases[:len(cases)-1] {
		p.targets = append(p.targets, timeTarget(c.name+", p50", 10*time.Millisecond, all[i].median(), again).because(c.reason(all[i])))
	}
	return nil
}

// reason says where the time goes.
func (c *policyCase) reason(created samples) string {
	made := count(c.chains) + " chains"
	if c.members > 0 {
		made += " and " + count(c.members) + " members of new sets"
	}
	return fmt.Sprintf("%s are the commit, in which the kernel makes %s one after the other; %s are the graph, which looks for the peers among all pods.",
		short(c.commits.median()), made, short(created.median()-c.commits.median()))
}

// policyCase is a policy that comes and goes.
type policyCase struct {
	name            string
	where           *settledTown
	policy          *networkingv1.NetworkPolicy
	deleted         samples
	cpu             samples // of its creation
	commits         samples // of its creation
	chains, members int     // that its creation makes
}

func (c *policyCase) round(ctx context.Context) (samples, error) {
	before := used()
	created, err := timed(func() error { return c.create(ctx) })
	if err != nil {
		return nil, err
	}
	c.cpu = append(c.cpu, used()-before)
	deleted, err := timed(func() error {
		return c.where.commit(ctx, graph.PolicyGone{Key: policy.Key{Namespace: c.policy.Namespace, Name: c.policy.Name}})
	})
	c.deleted = append(c.deleted, deleted)
	return samples{created}, err
}

func (c *policyCase) create(ctx context.Context) error {
	d := c.where.do(graph.PolicySet{Policy: policy.Parse(c.policy)})
	c.chains, c.members = len(d.PutChains), 0
	for _, s := range d.AddSets {
		c.members += len(s.Members)
	}
	took, err := timed(func() error { return c.where.backend.Apply(ctx, d) })
	c.commits = append(c.commits, took)
	return err
}

// settledTown is a town with the kernel of its node.
type settledTown struct {
	town
	*picket
}

func settled(ctx context.Context, size samplecluster.Size, more []graph.Event) (*settledTown, error) {
	kernel, err := openPicket()
	if err != nil {
		return nil, err
	}
	t := &settledTown{newTown(size), kernel}
	for _, e := range more {
		t.do(e)
	}
	return t, kernel.backend.Apply(ctx, ruleset.Diff(ruleset.Observed{}, t.graph.Program()))
}

func (t *settledTown) commit(ctx context.Context, e graph.Event) error {
	return t.backend.Apply(ctx, t.do(e))
}

// crowdEvents puts pods into a namespace of their own on the node.
func crowdEvents(n int) []graph.Event {
	var events []graph.Event
	for i := range n {
		events = append(events, graph.PodSet{Pod: resident("crowd", "crowd", i, samplecluster.Looked)})
	}
	return events
}

func denial(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "new"},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}},
	}
}
