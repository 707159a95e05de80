package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// gate is a pod at which another one knocks every five milliseconds, with a socket each time, to see how long it takes
// until a change of its policies counts. Each knock is a connection that is open for half a minute.
type gate struct {
	scene   *scene
	socket  net.PacketConn
	last    atomic.Int64 // when a knock arrived, in nanoseconds since 1970
	ended   chan struct{}
	stopped chan error
}

func gatePod() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/gate", Node: nodeName(1), Addrs: addrs(1, 50)}
}

func knocker() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/knocker", Node: nodeName(1), Addrs: addrs(1, 51)}
}

const gatePolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: gate}
spec: {podSelector: {matchLabels: {app: gate}}}
`

// openGate adds both pods and waits until a knock arrives.
func (s *scene) openGate() (*gate, error) {
	g := &gate{scene: s, ended: make(chan struct{}), stopped: make(chan error, 1)}
	err := errors.Join(s.AddPod(gatePod()), s.AddPod(knocker()),
		s.folder.put("gate-pods.yaml", podManifest(gatePod(), "app", "gate"), podManifest(knocker(), "app", "knocker")))
	if err != nil {
		return nil, err
	}
	err = s.InPod(gatePod().Name, func() (err error) {
		g.socket, err = net.ListenPacket("udp", ":"+servicePort)
		return err
	})
	if err != nil {
		return nil, err
	}
	go g.hear()
	go func() { g.stopped <- s.InPod(knocker().Name, g.knock) }()
	return g, g.awaitOpen()
}

func (g *gate) close() error {
	close(g.ended)
	return errors.Join(<-g.stopped, g.socket.Close())
}

func (g *gate) knock() error {
	to := net.JoinHostPort(gatePod().Addrs[0].String(), servicePort)
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

func (g *gate) hear() {
	for buffer := make([]byte, 64); ; g.last.Store(time.Now().UnixNano()) {
		if _, _, err := g.socket.ReadFrom(buffer); err != nil {
			return
		}
	}
}

func (g *gate) awaitOpen() error {
	began := time.Now()
	_, err := g.scene.await(patience, "knocks arrive", func() error {
		if g.heard().Before(began) {
			return errors.New("they do not")
		}
		return nil
	})
	return err
}

func (g *gate) heard() time.Time { return time.Unix(0, g.last.Load()) }

// silence is after what time without a knock it is believed that the gate is shut.
const silence = 200 * time.Millisecond

// shutting is after what time the last knock arrived, and how much of it the agent waited for a processor.
type shutting struct {
	took, held time.Duration
	opened     time.Duration // from the moment when the policy was taken back until a knock arrived
}

// own is what the agent itself took.
func (s shutting) own() time.Duration { return max(0, s.took-s.held) }

// tooks are the times that changes took.
func tooks(all []shutting) (took []time.Duration) {
	for _, one := range all {
		took = append(took, one.took)
	}
	return took
}

// shut isolates the pod and opens it again.
func (g *gate) shut() (shutting, error) {
	span := g.scene.agents[0].span()
	if err := g.scene.folder.put("gate.yaml", gatePolicy); err != nil {
		return shutting{}, err
	}
	_, err := g.scene.await(patience, "the gate is shut", func() error {
		if a := g.scene.agents[0]; !a.alive() { // that of the gate's node
			return fmt.Errorf("the agent of %s: %w", a.node, errEnded)
		}
		if ago := time.Since(g.heard()); ago < silence {
			return fmt.Errorf("a knock %v ago", millis(ago))
		}
		return nil
	})
	if err != nil {
		return shutting{}, err
	}
	took := shutting{took: max(0, g.heard().Sub(span.began)), held: span.held()}
	took.opened, err = g.open()
	return took, err
}

// open takes the policy back and returns how long it took until a knock arrived.
func (g *gate) open() (time.Duration, error) {
	began := time.Now()
	err := errors.Join(g.scene.folder.drop("gate.yaml"), g.awaitOpen())
	return time.Since(began), err
}

// shutOften does so some times.
func (g *gate) shutOften(times int) (took []shutting, err error) {
	for range times {
		one, err := g.shut()
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, nil
}

// shutUntil does so until a time.
func (g *gate) shutUntil(end time.Time) (took []shutting, err error) {
	for time.Now().Before(end) && g.scene.ctx.Err() == nil {
		one, err := g.shut()
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, g.scene.ctx.Err()
}

// shutWithin is what a change may take where nothing but a fault is in its way.
const shutWithin = 2 * time.Second

// judgeShut says after what time changes have counted.
func (s *scene) judgeShut(took []shutting) {
	s.note("%d changes meanwhile counted after %s", len(took), spread(tooks(took)))
	for _, one := range took {
		if one.own() > shutWithin {
			s.fault("a change counted after %v, of which the agent waited %v for a processor", millis(one.took), millis(one.held))
		}
	}
}
