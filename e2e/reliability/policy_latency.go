package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// latencyProbe is a pod at which another one knocks every five milliseconds, with a socket each time, to see how long it takes
// until a change of its policies counts. Each knock is a connection that is open for half a minute.
type latencyProbe struct {
	testbed   *testbed
	socket  net.PacketConn
	lastArrival    atomic.Int64 // when a knock arrived, in nanoseconds since 1970
	ended   chan struct{}
	stopped chan error
}

func latencyServer() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/gate", Node: nodeName(1), Addrs: addrs(1, 50)}
}

func latencyClient() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/knocker", Node: nodeName(1), Addrs: addrs(1, 51)}
}

const latencyPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: gate}
spec: {podSelector: {matchLabels: {app: gate}}}
`

// startLatencyProbe adds both pods and waits until a knock arrives.
func (s *testbed) startLatencyProbe() (*latencyProbe, error) {
	g := &latencyProbe{testbed: s, ended: make(chan struct{}), stopped: make(chan error, 1)}
	err := errors.Join(s.AddPod(latencyServer()), s.AddPod(latencyClient()),
		s.folder.put("gate-pods.yaml", podManifest(latencyServer(), "app", "gate"), podManifest(latencyClient(), "app", "knocker")))
	if err != nil {
		return nil, err
	}
	err = s.InPod(latencyServer().Name, func() (err error) {
		g.socket, err = net.ListenPacket("udp", ":"+servicePort)
		return err
	})
	if err != nil {
		return nil, err
	}
	go g.receive()
	go func() { g.stopped <- s.InPod(latencyClient().Name, g.send) }()
	return g, g.awaitArrival()
}

func (g *latencyProbe) close() error {
	close(g.ended)
	return errors.Join(<-g.stopped, g.socket.Close())
}

func (g *latencyProbe) send() error {
	to := net.JoinHostPort(latencyServer().Addrs[0].String(), servicePort)
	for {
		select {
		case <-g.ended:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		conn, err := net.Dial("udp", to)
		if err != nil {
			return err
		}
		_, _ = conn.Write([]byte("knock"))
		_ = conn.Close()
	}
}

func (g *latencyProbe) receive() {
	for buffer := make([]byte, 64); ; g.lastArrival.Store(time.Now().UnixNano()) {
		if _, _, err := g.socket.ReadFrom(buffer); err != nil {
			return
		}
	}
}

func (g *latencyProbe) awaitArrival() error {
	began := time.Now()
	_, err := g.testbed.await(patience, "knocks arrive", func() error {
		if g.arrivedAt().Before(began) {
			return errors.New("they do not")
		}
		return nil
	})
	return err
}

func (g *latencyProbe) arrivedAt() time.Time { return time.Unix(0, g.lastArrival.Load()) }

// silence is after what time without a knock it is believed that the gate is shut.
const silence = 200 * time.Millisecond

// policyLatency is after what time the last knock arrived, and how much of it the agent waited for a processor.
type policyLatency struct {
	took, held time.Duration
	opened     time.Duration // from the moment when the policy was taken back until a knock arrived
}

// own is what the agent itself took.
func (s policyLatency) own() time.Duration { return max(0, s.took-s.held) }

// tookOf are the times that changes took.
func tookOf(all []policyLatency) (took []time.Duration) {
	for _, one := range all {
		took = append(took, one.took)
	}
	return took
}

// measure isolates the pod and opens it again.
func (g *latencyProbe) measure() (policyLatency, error) {
	span := g.testbed.agents[0].span()
	if err := g.testbed.folder.put("gate.yaml", latencyPolicy); err != nil {
		return policyLatency{}, err
	}
	_, err := g.testbed.await(patience, "the gate is shut", func() error {
		if a := g.testbed.agents[0]; !a.alive() { // that of the gate's node
			return fmt.Errorf("the agent of %s: %w", a.node, errEnded)
		}
		if ago := time.Since(g.arrivedAt()); ago < silence {
			return fmt.Errorf("a knock %v ago", millis(ago))
		}
		return nil
	})
	if err != nil {
		return policyLatency{}, err
	}
	took := policyLatency{took: max(0, g.arrivedAt().Sub(span.began)), held: span.heldUp()}
	took.opened, err = g.withdraw()
	return took, err
}

// withdraw takes the policy back and returns how long it took until a knock arrived.
func (g *latencyProbe) withdraw() (time.Duration, error) {
	began := time.Now()
	err := errors.Join(g.testbed.folder.drop("gate.yaml"), g.awaitArrival())
	return time.Since(began), err
}

// measureTimes does so some times.
func (g *latencyProbe) measureTimes(times int) (took []policyLatency, err error) {
	for range times {
		one, err := g.measure()
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, nil
}

// measureUntil does so until a time.
func (g *latencyProbe) measureUntil(end time.Time) (took []policyLatency, err error) {
	for time.Now().Before(end) && g.testbed.ctx.Err() == nil {
		one, err := g.measure()
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, g.testbed.ctx.Err()
}

// policyWithin is what a change may take where nothing but a fault is in its way.
const policyWithin = 2 * time.Second

// checkLatencies says after what time changes have counted.
func (s *testbed) checkLatencies(took []policyLatency) {
	s.note("%d changes meanwhile counted after %s", len(took), spread(tookOf(took)))
	for _, one := range took {
		if one.own() > policyWithin {
			s.fault("a change counted after %v, of which the agent waited %v for a processor", millis(one.took), millis(one.held))
		}
	}
}
