package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// flood has two pods of a tenant open very many flows, of which it then forbids all, again and
// again. The agent must not need more memory for more of them, and the others must not notice.
type flood struct{}

func (flood) Name() string { return "flood" }

func (flood) Plan() plan { return plan{} }

// floodMemory is what an agent may need more while it ends them: the cuts that it knows, at most
// 16,384, the connections that it judges at once, and what its garbage collector has not looked at
// yet.
const floodMemory = 48 * megabyte

func (flood) Inject(s *scene) error {
	f := &flooding{scene: s, count: s.times(60_000, 6000)}
	if err := f.settle(); err != nil {
		return err
	}
	g, err := s.openGate()
	if err != nil {
		return err
	}
	before, err := g.shutOften(s.times(20, 8))
	if err != nil {
		return errors.Join(err, g.close())
	}
	usual, err := s.agents[0].figures()
	if err != nil {
		return errors.Join(err, g.close())
	}
	rounds := s.times(6, 2)
	var during []shutting
	for range rounds {
		more, err := f.round(g)
		if err != nil {
			return errors.Join(err, g.close())
		}
		during = append(during, more...)
	}
	s.done("%d flows between two pods forbidden, %d times", f.count, rounds)
	f.judge(usual, before, during)
	return g.close()
}

// flooding is the work of that row.
type flooding struct {
	scene *scene
	count int
	most  float64 // memory of the agent
}

// spring and sink are the pods, of one node.
func spring() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/spring", Node: nodeName(1), Addrs: addrs(1, 41)}
}

func sink() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/sink", Node: nodeName(1), Addrs: addrs(1, 42)}
}

func (f *flooding) settle() error {
	s := f.scene
	documents := []string{podManifest(spring(), "app", "spring"), podManifest(sink(), "app", "sink")}
	return errors.Join(s.AddPod(spring()), s.AddPod(sink()), s.folder.put("flood.yaml", documents...))
}

const noSink = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: sink}
spec:
  podSelector: {matchLabels: {app: sink}}
  ingress: []
`

// round opens the flows, forbids them, and returns how long changes of others take meanwhile.
func (f *flooding) round(g *gate) (during []shutting, err error) {
	if err := f.pour(); err != nil {
		return nil, err
	}
	if err := f.scene.folder.put("sink.yaml", noSink); err != nil {
		return nil, err
	}
	during, err = g.shutOften(f.scene.times(4, 2))
	if err != nil {
		return nil, err
	}
	f.scene.sleep(time.Second)
	figures, err := f.scene.agents[0].figures()
	f.most = max(f.most, figures[memory])
	return during, errors.Join(err, f.scene.folder.drop("sink.yaml"))
}

// pour opens half of them from one port to many, the others from many to one, with a byte each.
func (f *flooding) pour() error {
	from, to := spring().Addrs[0], sink().Addrs[0]
	return f.scene.InPod(spring().Name, func() error {
		one, err := net.ListenPacket("udp", netip.AddrPortFrom(from, 0).String())
		if err != nil {
			return err
		}
		defer one.Close()
		for n := range f.count / 2 {
			port := uint16(1024 + n)
			other := net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port))
			_, _ = one.WriteTo([]byte{0}, other) // an error is of an earlier one, which was refused
			if err := speakOnce(netip.AddrPortFrom(from, port), netip.AddrPortFrom(to, 9)); err != nil {
				return err
			}
		}
		return nil
	})
}

func speakOnce(from, to netip.AddrPort) error {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return fmt.Errorf("speak once: %w", err)
	}
	_, _ = conn.Write([]byte{0})
	return conn.Close()
}

func (f *flooding) judge(usual figures, before, during []shutting) {
	s := f.scene
	s.note("the agent: %.0f MiB before, at most %.0f MiB", usual[memory]/megabyte, f.most/megabyte)
	if f.most > usual[memory]+floodMemory {
		s.fault("the agent has grown from %.0f to %.0f MiB", usual[memory]/megabyte, f.most/megabyte)
	}
	s.note("a change of others counts after %s", spread(tooks(during)))
	s.note("before, after %s", spread(tooks(before)))
	if was, is := medianOwn(before), medianOwn(during); is > 2*was+slack {
		s.fault("a change of others takes %v, before %v, without what the agent waited for a processor",
			millis(is), millis(was))
	}
}
