package main

import (
	"errors"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// podStart starts pods that send what is forbidden before any agent can know them, on nodes that
// deny unknown pods, with their agents alive and dead. Then it starts some on nodes that allow
// them, to compare: what arrives there does not count.
type podStart struct{}

func (podStart) Name() string { return "pod-start" }

func (podStart) Plan() plan { return plan{strict: true} }

// together is how many pods start at the same time.
const together = 10

func (podStart) Inject(s *testbed) error {
	if err := s.addNewPodServers(); err != nil {
		return err
	}
	st := &starts{testbed: s}
	alive, dead, free := s.times(600, 30), s.times(400, 20), s.times(100, 10)
	delays, err := st.many(alive, "start-deny", st.wave)
	if err != nil {
		return err
	}
	s.note("deny: the first packet that is permitted arrived after %s", spread(delays))
	if _, err := st.many(dead, "start-dead", st.deadWave); err != nil {
		return err
	}
	if err := s.relax(); err != nil {
		return err
	}
	if delays, err = st.many(free, "start-allow", st.wave); err != nil {
		return err
	}
	s.note("allow: the first packet that is permitted arrived after %s", spread(delays))
	s.done("%d pods with the agents alive, %d with them dead", alive, dead)
	return st.check()
}

// The servers that new pods may and may not send to. No policy selects them.
const (
	openServer   = "open-server"
	closedServer = "closed-server"
)

// newPodServer is the pod of one of these servers.
func newPodServer(name string) sandbox.Pod {
	host := 40
	if name == closedServer {
		host = 41
	}
	return sandbox.Pod{Name: shop + "/" + name, Node: nodeName(1), Addrs: addrs(1, host)}
}

const newPodPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: new-pod}
spec:
  podSelector: {matchLabels: {app: new-pod}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: open-server}}}], ports: [{port: 80, protocol: UDP}]}]
`

// addNewPodServers adds these pods and waits until the agents know them.
func (s *testbed) addNewPodServers() error {
	documents := []string{newPodPolicy}
	for _, name := range []string{openServer, closedServer} {
		documents = append(documents, podManifest(newPodServer(name), "app", name))
		if err := errors.Join(s.AddPod(newPodServer(name)), s.serve(name)); err != nil {
			return err
		}
	}
	if err := s.folder.put("new-pods.yaml", documents...); err != nil {
		return err
	}
	first := &starts{testbed: s, next: 2 * newPodHosts}
	_, err := first.many(2, "first", first.wave)
	return err
}

// relax restarts the agents so that they allow unknown pods.
func (s *testbed) relax() error {
	s.plan.strict = false
	errs := []error{s.killAll()}
	for _, a := range s.agents {
		errs = append(errs, a.awaitReady(patience))
	}
	return errors.Join(errs...)
}

// starts starts pods for a row, and counts them.
type starts struct {
	testbed *testbed
	next    int // number of the next pod
}

// many starts pods, wave by wave, and returns after what time something permitted arrived.
func (st *starts) many(count int, flow string, wave func([]*newPod) error) (delays []time.Duration,
	err error) {
	for done := 0; done < count && st.testbed.ctx.Err() == nil; {
		var pods []*newPod
		for range min(together, count-done) {
			pods = append(pods, &newPod{testbed: st.testbed, number: st.next, flow: flow})
			st.next++
		}
		if err := st.live(pods, wave); err != nil {
			return delays, err
		}
		for _, n := range pods {
			delays = append(delays, n.delay)
		}
		done += len(pods)
	}
	return delays, st.testbed.ctx.Err()
}

// live has pods come, act and go.
func (st *starts) live(pods []*newPod, wave func([]*newPod) error) error {
	var errs []error
	for _, n := range pods {
		errs = append(errs, n.create())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	errs = append(errs, wave(pods))
	for _, n := range pods {
		errs = append(errs, n.remove())
	}
	return errors.Join(errs...)
}

// wave lets all pods act at the same time.
func (st *starts) wave(pods []*newPod) error {
	ended := make(chan error, len(pods))
	for _, n := range pods {
		go func() { ended <- n.sendAndAnnounce() }()
	}
	var errs []error
	for range pods {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// deadWave lets them act while no agent runs, and starts the agents a little later.
func (st *starts) deadWave(pods []*newPod) error {
	for _, a := range st.testbed.agents {
		a.kill()
	}
	started := make(chan error, 1)
	go func() {
		st.testbed.sleep(200 * time.Millisecond)
		var errs []error
		for _, a := range st.testbed.agents {
			errs = append(errs, a.start())
		}
		started <- errors.Join(errs...)
	}()
	return errors.Join(st.wave(pods), <-started)
}

// check counts what has arrived of what is forbidden.
func (st *starts) check() error {
	told, err := st.testbed.arrivals(closedServer)
	if err != nil {
		return err
	}
	for _, flow := range []string{"start-deny", "start-dead"} {
		st.testbed.ownLoss.leak += told.Flows[flow].Received
	}
	free := told.Flows["start-allow"].Received
	st.testbed.note("allow: %d forbidden packets arrived before the agents knew their pods", free)
	if free == 0 {
		st.testbed.fault("nothing arrived while nothing was forbidden: this row would see no leak")
	}
	return nil
}

// spread is the median and the longest of some times.
func spread(all []time.Duration) string {
	slices.Sort(all)
	return millis(all[len(all)/2]).String() + " (median), " + millis(all[len(all)-1]).String() +
		" (longest)"
}
