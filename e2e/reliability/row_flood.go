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
// 16,384, the connections that it reviews at once, and what its garbage collector has not looked at
// yet.
const floodMemory = 48 * megabyte

func (flood) Inject(s *testbed) error {
	f := &flooding{testbed: s, count: s.times(60_000, 6000)}
	if err := f.addPods(); err != nil {
		return err
	}
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	before, err := g.measureTimes(s.times(20, 8))
	if err != nil {
		return errors.Join(err, g.close())
	}
	usual, err := s.agents[0].metrics()
	if err != nil {
		return errors.Join(err, g.close())
	}
	rounds := s.times(6, 2)
	var during []policyLatency
	for range rounds {
		more, err := f.round(g)
		if err != nil {
			return errors.Join(err, g.close())
		}
		during = append(during, more...)
	}
	s.done("%d flows between two pods forbidden, %d times", f.count, rounds)
	f.check(usual, before, during)
	return g.close()
}

// flooding is the work of that row.
type flooding struct {
	testbed *testbed
	count   int
	most    float64 // memory of the agent
}

// floodSource and floodTarget are pods of one node.
func floodSource() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/flood-source", Node: nodeName(1), Addrs: addrs(1, 41)}
}

func floodTarget() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/flood-target", Node: nodeName(1), Addrs: addrs(1, 42)}
}

func (f *flooding) addPods() error {
	s := f.testbed
	documents := []string{podManifest(floodSource(), "app", "flood-source"),
		podManifest(floodTarget(), "app", "flood-target")}
	return errors.Join(s.AddPod(floodSource()), s.AddPod(floodTarget()),
		s.folder.put("flood.yaml", documents...))
}

const floodTargetPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: flood-target}
spec:
  podSelector: {matchLabels: {app: flood-target}}
  ingress: []
`

// round opens the flows, forbids them, and returns how long changes of others take meanwhile.
func (f *flooding) round(g *latencyProbe) (during []policyLatency, err error) {
	if err := f.openFlows(); err != nil {
		return nil, err
	}
	if err := f.testbed.folder.put("flood-target.yaml", floodTargetPolicy); err != nil {
		return nil, err
	}
	during, err = g.measureTimes(f.testbed.times(4, 2))
	if err != nil {
		return nil, err
	}
	f.testbed.sleep(time.Second)
	figures, err := f.testbed.agents[0].metrics()
	f.most = max(f.most, figures[memory])
	return during, errors.Join(err, f.testbed.folder.drop("flood-target.yaml"))
}

// openFlows opens half of them from one port to many, the others from many to one, with a byte
// each.
func (f *flooding) openFlows() error {
	from, to := floodSource().Addrs[0], floodTarget().Addrs[0]
	return f.testbed.InPod(floodSource().Name, func() error {
		one, err := net.ListenPacket("udp", netip.AddrPortFrom(from, 0).String())
		if err != nil {
			return err
		}
		defer one.Close()
		for n := range f.count / 2 {
			port := uint16(1024 + n)
			other := net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port))
			_, _ = one.WriteTo([]byte{0}, other) // an error is of an earlier one, which was refused
			if err := sendOnce(netip.AddrPortFrom(from, port),
				netip.AddrPortFrom(to, 9)); err != nil {
				return err
			}
		}
		return nil
	})
}

func sendOnce(from, to netip.AddrPort) error {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return fmt.Errorf("speak once: %w", err)
	}
	_, _ = conn.Write([]byte{0})
	return conn.Close()
}

func (f *flooding) check(usual metrics, before, during []policyLatency) {
	s := f.testbed
	s.note("the agent: %.0f MiB before, at most %.0f MiB", usual[memory]/megabyte, f.most/megabyte)
	if f.most > usual[memory]+floodMemory {
		s.fault("the agent has grown from %.0f to %.0f MiB", usual[memory]/megabyte,
			f.most/megabyte)
	}
	s.note("a change of others counts after %s", spread(tookOf(during)))
	s.note("before, after %s", spread(tookOf(before)))
	if was, is := medianOwn(before), medianOwn(during); is > 2*was+s.slack() {
		s.fault(
			"a change of others takes %v, before %v, without what the agent waited for a processor",
			millis(is), millis(was))
	}
}
