package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// latencyProbe measures how long it takes until a change of policies counts: a pod sends a datagram
// to another every five milliseconds, with a socket each time. Each is a connection that conntrack
// holds for half a minute.
type latencyProbe struct {
	testbed     *testbed
	socket      net.PacketConn
	lastArrival atomic.Int64 // when a datagram arrived, in nanoseconds since 1970
	ended       chan struct{}
	stopped     chan error
}

func latencyServer() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/latency-server", Node: nodeName(1), Addrs: addrs(1, 50)}
}

func latencyClient() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/latency-client", Node: nodeName(1), Addrs: addrs(1, 51)}
}

const latencyPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: latency}
spec: {podSelector: {matchLabels: {app: latency-server}}}
`

// startLatencyProbe adds both pods and waits until a datagram arrives.
func (s *testbed) startLatencyProbe() (*latencyProbe, error) {
	g := &latencyProbe{testbed: s, ended: make(chan struct{}), stopped: make(chan error, 1)}
	err := errors.Join(s.AddPod(latencyServer()), s.AddPod(latencyClient()),
		s.folder.put("latency-pods.yaml", podManifest(latencyServer(), "app", "latency-server"),
			podManifest(latencyClient(), "app", "latency-client")))
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
		_, _ = conn.Write([]byte("x"))
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
	_, err := g.testbed.await(patience, "datagrams arrive", func() error {
		if g.arrivedAt().Before(began) {
			return errors.New("they do not")
		}
		return nil
	})
	return err
}

func (g *latencyProbe) arrivedAt() time.Time { return time.Unix(0, g.lastArrival.Load()) }

// silence is the time without a datagram after which the pod counts as isolated.
const silence = 200 * time.Millisecond

// policyLatency is the time until the last datagram arrived after a pod was isolated, and how much
// of it the agent waited for a processor.
type policyLatency struct {
	took, held time.Duration
	opened     time.Duration // from when the policy was taken away until a datagram arrived
}

// own is the time without what the agent waited for a processor.
func (s policyLatency) own() time.Duration { return max(0, s.took-s.held) }

// tookOf are the times that changes took.
func tookOf(all []policyLatency) (took []time.Duration) {
	for _, one := range all {
		took = append(took, one.took)
	}
	return took
}

// measure isolates the pod and takes the policy away again.
func (g *latencyProbe) measure() (policyLatency, error) {
	span := g.testbed.agents[0].span()
	if err := g.testbed.folder.put("latency.yaml", latencyPolicy); err != nil {
		return policyLatency{}, err
	}
	_, err := g.testbed.await(patience, "the pod is isolated", func() error {
		if a := g.testbed.agents[0]; !a.alive() { // that of the pod's node
			return fmt.Errorf("the agent of %s: %w", a.node, errEnded)
		}
		if ago := time.Since(g.arrivedAt()); ago < silence {
			return fmt.Errorf("a datagram arrived %v ago", millis(ago))
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

// withdraw takes the policy away and returns how long it took until a datagram arrived.
func (g *latencyProbe) withdraw() (time.Duration, error) {
	began := time.Now()
	err := errors.Join(g.testbed.folder.drop("latency.yaml"), g.awaitArrival())
	return time.Since(began), err
}

// measureTimes measures some times.
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

// measureUntil measures until a time.
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

// policyWithin is the most that a change may take during a row's fault.
const policyWithin = 2 * time.Second

// checkLatencies notes after what time changes have counted, and reports those that took too long.
func (s *testbed) checkLatencies(took []policyLatency) {
	s.note("%d changes meanwhile counted after %s", len(took), spread(tookOf(took)))
	for _, one := range took {
		if one.own() > policyWithin {
			s.fault("a change counted after %v, of which the agent waited %v for a processor",
				millis(one.took), millis(one.held))
		}
	}
}
