package main

import (
	"errors"
	"fmt"
	"strings"
)

// budgets has a tenant write excessive policies of several kinds. What is beyond the budgets only
// isolates and is reported; in any case the others notice nothing, and the memory of the agents is
// bounded.
type budgets struct{}

func (budgets) Name() string { return "budgets" }

func (budgets) Plan() plan { return plan{} }

func (budgets) Inject(s *testbed) error {
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	t := &tenantRun{testbed: s, probe: g, tenants: tenants{pods: s.times(5000, 200)}}
	before, err := t.probe.measureTimes(s.times(20, 8))
	if err != nil {
		return err
	}
	if _, err := t.grow(); err != nil {
		return err
	}
	s.note("a change of another namespace counts after %s before", spread(tookOf(before)))
	var errs []error
	for _, e := range excesses(s) {
		if e.manyPorts && s.env.backend == iptables {
			e.beyond, e.policies = true, 1
		}
		errs = append(errs, e.try(t, before))
	}
	s.done("%d kinds of excess, beside %d pods", len(excesses(s)), t.tenants.pods)
	return errors.Join(append(errs, g.close())...)
}

// memoryLimit is what the agent's container may have.
const memoryLimit = 400 * megabyte

// excess is many rules, or policies, at once.
type excess struct {
	name   string
	files  []string
	beyond bool // there is no room for it
	// there is none with iptables, where each range of ports is a rule
	manyPorts bool
	policies  int // with problems
}

// try writes the manifests, measures the others meanwhile and afterwards, and takes the manifests
// away.
func (e excess) try(t *tenantRun, before []policyLatency) error {
	stated := make(chan error, 1)
	go func() { stated <- e.state(t.testbed) }()
	coming, err := t.probe.measureTimes(t.testbed.times(12, 8))
	if err := errors.Join(err, <-stated, e.awaitTold(t.testbed)); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	there, err := t.probe.measureTimes(t.testbed.times(12, 8))
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	t.compare(e.name+", while it comes", before, coming)
	t.compare(e.name+", while it is there", before, there)
	e.checkMemory(t)
	return e.end(t.testbed)
}

func (e excess) state(s *testbed) (err error) {
	for n, text := range e.files {
		err = errors.Join(err, s.folder.put(fmt.Sprintf("excess-%d.json", n), text))
	}
	return err
}

func (e excess) end(s *testbed) (err error) {
	for n := range e.files {
		err = errors.Join(err, s.folder.drop(fmt.Sprintf("excess-%d.json", n)))
	}
	_, awaited := s.await(patience, e.name+" is no longer reported",
		func() error { return e.told(s, 0, 0) })
	return errors.Join(err, awaited)
}

// awaitTold waits until the metrics of the first node report it.
func (e excess) awaitTold(s *testbed) error {
	beyond := 0.0
	if e.beyond {
		beyond = 1
	}
	took, err := s.await(patience, e.name+" is told",
		func() error { return e.told(s, beyond, float64(e.policies)) })
	s.note("%s: read and told after %v", e.name, millis(took))
	return err
}

func (e excess) told(s *testbed, beyond, problems float64) error {
	f, err := s.agents[0].metrics()
	if err == nil &&
		(f["picket_policies_beyond_budgets"] != beyond ||
			f["picket_policies_with_problems"] != problems) {
		err = fmt.Errorf("%v policies are beyond, %v have problems",
			f["picket_policies_beyond_budgets"], f["picket_policies_with_problems"])
	}
	return errors.Join(err, s.ctx.Err())
}

func (e excess) checkMemory(t *tenantRun) {
	t.noteAgents(e.name)
	for _, a := range t.testbed.agents {
		if f, err := a.metrics(); err != nil || f[memory] > memoryLimit {
			t.testbed.fault("%s: the agent of %s has %.0f MiB, %v", e.name, a.node,
				f[memory]/megabyte, err)
		}
	}
}

// excesses lists them, cheap for the tenant and costly for an agent without budgets.
func excesses(s *testbed) []excess {
	rules := s.times(10_000, 1000)
	bad := s.times(8000, 400)
	return []excess{
		{name: "3,000 selectors of nearly all", beyond: true, policies: 1,
			files: []string{excessPolicy("not-in", 3000, func(i int) string {
				return fmt.Sprintf(
					`{"from": [{"podSelector": {"matchExpressions": [{"key": "x", "operator": `+
						`"NotIn", "values": ["v%d"]}]}}], "ports": [{"port": %d}]}`, i, 1+i)
			})}},
		{name: "a policy of a mebibyte", manyPorts: true,
			files: []string{excessPolicy("long", rules, func(i int) string {
				return fmt.Sprintf(
					`{"from": [{"podSelector": {"matchLabels": {"group": %q}}}], "ports": `+
						`[{"protocol": "TCP", "port": %d}]}`, tenantGroup(i), 1+i)
			})}},
		{name: "blocks", files: []string{excessPolicy("blocks", rules, func(i int) string {
			return fmt.Sprintf(
				`{"from": [{"ipBlock": {"cidr": "100.%d.%d.1/32"}}], "ports": [{"port": 80}]}`,
				i/250, i%250)
		})}},
		{name: "6,000 ranges of ports", manyPorts: true,
			files: []string{excessPolicy("ranges", 6000, func(i int) string {
				return fmt.Sprintf(
					`{"from": [{"podSelector": {"matchLabels": {"group": %q}}}], "ports": `+
						`[{"port": %d, "endPort": %d}]}`, tenantGroup(i/100), 1+10*i, 70+10*i)
			})}},
		{name: "ranges within ranges", beyond: true, policies: 1,
			files: []string{excessPolicy("nested", 3000, func(i int) string {
				return fmt.Sprintf(
					`{"from": [{"podSelector": {"matchLabels": {"group": %q}}}], "ports": `+
						`[{"port": %d, "endPort": %d}]}`, tenantGroup(i), 1+i, 60000-i)
			})}},
		{name: "3,000 keys of labels",
			files: []string{excessPolicy("keys", 3000, func(i int) string {
				return fmt.Sprintf(
					`{"from": [{"podSelector": {"matchExpressions": [{"key": "key-%d", `+
						`"operator": "Exists"}]}}], "ports": [{"port": 80}]}`, i)
			})}},
		{name: "bad policies", policies: bad, files: badPolicies(bad)},
	}
}

// excessPolicy is a policy for all pods of the tenant.
func excessPolicy(name string, count int, rule func(int) string) string {
	rules := make([]string, count)
	for i := range rules {
		rules[i] = rule(i)
	}
	return fmt.Sprintf(
		`{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": `+
			`{"namespace": %q, "name": %q}, "spec": {"podSelector": {}, "ingress": [%s]}}`,
		tenantSpace, name, strings.Join(rules, ",\n"))
}

// badPolicies are many policies with something wrong in each, a hundred in a file.
func badPolicies(count int) (files []string) {
	for n := 0; n < count; n += tenantBatch {
		var documents []string
		for i := n; i < n+tenantBatch; i++ {
			documents = append(documents,
				excessPolicy(fmt.Sprintf("bad-%d", i), 1,
					func(int) string { return `{"from": [{"ipBlock": {"cidr": "none"}}]}` }))
		}
		files = append(files, strings.Join(documents, "\n"))
	}
	return files
}
