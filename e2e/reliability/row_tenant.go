package main

import (
	"errors"
	"slices"
	"time"
)

// tenant has one namespace state very many rules and pods, and go on changing them. The others must
// not notice: not in their packets, and not in the time that a change of theirs takes to count.
type tenant struct{}

func (tenant) Name() string { return "tenant" }

func (tenant) Plan() plan { return plan{} }

func (tenant) Inject(s *testbed) error {
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	t := &tenantRun{testbed: s, probe: g,
		tenants: tenants{rules: s.times(10_000, 500), pods: s.times(5000, 200)}}
	return errors.Join(t.measure(), g.close())
}

// tenantRun is the state of the row.
type tenantRun struct {
	testbed *testbed
	probe   *latencyProbe
	tenants tenants
}

// measure measures policies of others before the tenant has anything, while it creates all, and
// while it changes things.
func (t *tenantRun) measure() error {
	samples := t.testbed.times(20, 8)
	before, err := t.probe.measureTimes(samples)
	if err != nil {
		return err
	}
	t.noteAgents("before")
	growing, err := t.grow()
	if err != nil {
		return err
	}
	stop := t.keepChanging()
	there, err := t.probe.measureTimes(samples)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	t.noteAgents("with them")
	t.testbed.done("%d rules x %d pods of one namespace", t.tenants.rules, t.tenants.pods)
	t.testbed.note("a change of another namespace counts after %s before", spread(tookOf(before)))
	t.compare("while they come", before, growing)
	t.compare("while they change", before, there)
	return nil
}

// grow lets the tenant come, and returns how long changes of the others took meanwhile.
func (t *tenantRun) grow() (took []policyLatency, err error) {
	began, came := time.Now(), make(chan error, 1)
	go func() { came <- t.createAll() }()
	for {
		one, err := t.probe.measure()
		if err != nil {
			return took, err
		}
		took = append(took, one)
		select {
		case err := <-came:
			t.testbed.note("they came within %v", time.Since(began).Round(100*time.Millisecond))
			return took, err
		default:
		}
	}
}

// createAll writes all files, 20 a second.
func (t *tenantRun) createAll() error {
	for n := range t.tenants.files() {
		if err := t.tenants.put(t.testbed.folder, n, 0); err != nil {
			return err
		}
		t.testbed.sleep(50 * time.Millisecond)
	}
	return nil
}

// keepChanging writes one file after another anew, ten a second, until it is stopped.
func (t *tenantRun) keepChanging() (stop func() error) {
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				ended <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			if err := t.tenants.put(t.testbed.folder, n*7%t.tenants.files(), n); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		close(end)
		return <-ended
	}
}

// slack is what one measurement may take longer than another: what the machine adds, and with iptables
// a change of somebody else's, of which each takes longer the more rules there are.
func (s *testbed) slack() time.Duration {
	if s.env.backend == iptables {
		return time.Second
	}
	return 20 * time.Millisecond
}

func (t *tenantRun) compare(when string, before, during []policyLatency) {
	t.testbed.note("%s: after %s of %d", when, spread(tookOf(during)), len(during))
	if usual, now := medianOwn(before), medianOwn(during); now > 2*usual+t.testbed.slack() {
		t.testbed.fault(
			"%s, a change of another namespace takes %v, before %v, without what the agent "+
				"waited for a processor", when, millis(now), millis(usual))
	}
}

func medianOwn(all []policyLatency) time.Duration {
	var own []time.Duration
	for _, one := range all {
		own = append(own, one.own())
	}
	slices.Sort(own)
	return own[len(own)/2]
}

func (t *tenantRun) noteAgents(when string) {
	for _, a := range t.testbed.agents {
		f, err := a.metrics()
		if err != nil {
			t.testbed.fault("%v", err)
		}
		t.testbed.note("the agent of %s %s: %.0f MiB, %.0f ms a transaction", a.node, when,
			f[memory]/megabyte, 1000*f[commits+"_sum"]/f[commits+"_count"])
	}
}
