package main

import (
	"errors"
	"fmt"
	"time"
)

// tunnels has pods send what a node would unpack, which would arrive as somebody else's: also while
// the agents are killed, and after the nodes' tunnels have moved to another port.
type tunnels struct {
	testbed  *testbed
	listener *protocolListener
	port     int // of the tunnels, at present
	rounds   int // of all paths, so far
	checked  int // packets that must not arrive
}

func (*tunnels) Name() string { return "tunnels" }

func (*tunnels) Plan() plan { return plan{} }

const tunnelTargetPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: tunnel-target}
spec:
  podSelector: {matchLabels: {app: tunnel-target}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
`

// CheckUnfiltered makes the tunnels and shows that each path leads to its pod while nobody filters.
func (t *tunnels) CheckUnfiltered(s *testbed) (err error) {
	t.testbed, t.port = s, tunnelPorts[0]
	for _, d := range []testPod{tunnelTarget(1), tunnelTarget(2)} {
		err = errors.Join(err, s.AddPod(d.pod()), s.serve(d.name),
			s.folder.put(d.name+".yaml", podManifest(d.pod(), "app", d.app)))
	}
	if err = errors.Join(err, s.folder.put("tunnel-targets.yaml", tunnelTargetPolicy),
		s.makeTunnels(t.port)); err != nil {
		return err
	}
	if t.listener, err = s.listenForProtocols(); err != nil {
		return err
	}
	arrived, err := t.tryAll()
	if err != nil {
		return err
	}
	for i, w := range tunnelPaths() {
		if arrived[i] == 0 {
			err = errors.Join(err, fmt.Errorf("%s: nothing arrives while nobody filters", w.name))
		}
	}
	return err
}

func (t *tunnels) Inject(s *testbed) error {
	defer t.listener.close()
	for range s.times(10, 1) {
		if err := errors.Join(t.try("with the agents up"), t.killed(), t.moved(),
			t.movedUnseen()); err != nil {
			return err
		}
	}
	s.done("%d paths, %d times each; %d packets that must not arrive", len(tunnelPaths()), t.rounds,
		t.checked)
	return nil
}

// killed tries while the agents are dead, while they start and when they are ready again.
func (t *tunnels) killed() error {
	stop := t.testbed.churn.keepChanging(10 * time.Millisecond)
	errs := []error{t.killAll(), t.try("with the agents dead"), t.startAll(),
		t.try("while the agents start")}
	return errors.Join(append(errs, t.awaitAll(), t.try("after a start"), stop())...)
}

// movedUnseen moves the tunnels while the agents are dead: when they are ready, they know.
func (t *tunnels) movedUnseen() error {
	return errors.Join(t.killAll(), t.move(), t.startAll(), t.awaitAll(),
		t.try("after a start with moved tunnels"))
}

// followed is after what time an agent is to know that tunnels have moved.
const followed = time.Second

// moved moves the tunnels while the agents run. What passes until they know is noted, and
// does not count; an agent that does not see it is restarted.
func (t *tunnels) moved() error {
	if err := t.move(); err != nil {
		return err
	}
	span := t.testbed.agents[0].span()
	for passed := 0; ; {
		began := span.took()
		arrived, err := t.tryAll()
		if err != nil {
			return err
		}
		leaks := forbidden(arrived)
		passed += leaks
		switch {
		case leaks == 0:
			t.testbed.repairs = append(t.testbed.repairs, began)
			t.testbed.note("until agents knew that tunnels had moved, %d packets passed", passed)
			return t.try("after tunnels moved")
		case began > followed+span.heldUp():
			t.testbed.fault("%v after tunnels moved, the agents do not know it", millis(began))
			return errors.Join(t.killAll(), t.startAll(), t.awaitAll())
		}
	}
}

// move makes the tunnels anew, at another port.
func (t *tunnels) move() error {
	t.port = tunnelPorts[0] + tunnelPorts[1] - t.port
	return t.testbed.makeTunnels(t.port)
}

func (t *tunnels) killAll() error {
	for _, a := range t.testbed.agents {
		a.kill()
	}
	return nil
}

func (t *tunnels) startAll() (err error) {
	for _, a := range t.testbed.agents {
		err = errors.Join(err, a.start())
	}
	return err
}

func (t *tunnels) awaitAll() (err error) {
	for _, a := range t.testbed.agents {
		err = errors.Join(err, a.awaitReady(patience))
	}
	return err
}

// try sends by all paths and checks what arrives.
func (t *tunnels) try(when string) error {
	arrived, err := t.tryAll()
	if err != nil {
		return err
	}
	for i, w := range tunnelPaths() {
		switch {
		case !w.permitted:
			t.checked += w.packets()
			if arrived[i] > 0 {
				t.testbed.ownLoss.leak += arrived[i]
				t.testbed.fault("%s: %s: %d arrived", when, w.name, arrived[i])
			}
		case arrived[i] < w.packets():
			t.testbed.ownLoss.broken += w.packets() - arrived[i]
			t.testbed.fault("%s: %s: %d of %d arrived", when, w.name, arrived[i], w.packets())
		}
	}
	return nil
}

// tryAll sends every packet of every path, and returns how many of each have arrived.
func (t *tunnels) tryAll() ([]int, error) {
	prefix := fmt.Sprintf("t%d.", t.rounds)
	t.rounds++
	if err := t.sendAll(prefix); err != nil {
		return nil, err
	}
	_, err := t.testbed.await(unread, "permitted packets arrive", func() error {
		arrived, err := t.arrived(prefix)
		for i, w := range tunnelPaths() {
			if w.permitted && arrived[i] < w.packets() {
				err = errors.Join(err, fmt.Errorf("%s: %d", w.name, arrived[i]))
			}
		}
		return err
	})
	if err != nil && t.testbed.ctx.Err() != nil {
		return nil, err
	}
	t.testbed.sleep(50 * time.Millisecond) // for packets that are still queued
	return t.arrived(prefix)
}

// sendAll sends from one place after the other.
func (t *tunnels) sendAll(prefix string) error {
	sent := map[origin]bool{}
	for _, first := range tunnelPaths() {
		if sent[first.from] {
			continue
		}
		sent[first.from] = true
		err := first.from.enter(t.testbed, func() (err error) {
			for i, w := range tunnelPaths() {
				if w.from == first.from {
					err = errors.Join(err, w.send(t.port, fmt.Sprint(prefix, i)))
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// arrived counts the packets of each path in one round, at pods and at nodes.
func (t *tunnels) arrived(prefix string) ([]int, error) {
	counts := make([]int, len(tunnelPaths()))
	for _, server := range []string{"free", tunnelTarget(1).name, tunnelTarget(2).name} {
		told, err := t.testbed.arrivals(server)
		if err != nil {
			return counts, err
		}
		for i := range counts {
			counts[i] += told.Flows[fmt.Sprint(prefix, i)].Received
		}
	}
	for i := range counts {
		counts[i] += t.listener.count(fmt.Sprint(prefix, i))
	}
	return counts, nil
}

// forbidden sums up what arrived and must not.
func forbidden(arrived []int) (sum int) {
	for i, w := range tunnelPaths() {
		if !w.permitted {
			sum += arrived[i]
		}
	}
	return sum
}
