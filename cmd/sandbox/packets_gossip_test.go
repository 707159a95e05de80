package sandbox_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// speaker is an end of a flow that either end may begin: it sends a packet every few milliseconds
// while it speaks, and counts those of the other end.
type speaker struct {
	name   string
	conn   net.PacketConn
	to     net.Addr
	heard  atomic.Int64
	last   atomic.Int64 // when it heard one, in nanoseconds since 1970
	mu     sync.Mutex   // is held while it sends
	speaks bool
}

// transport is a protocol with one port at both ends, or without any.
type transport struct {
	network string
	port    uint16
}

func (t transport) String() string { return fmt.Sprintf("%s %d", t.network, t.port) }

// transports are gossip over UDP, and for portless protocols GRE, ESP and one for experiments (RFC
// 3692).
func transports() []transport {
	return []transport{{"udp", 7946}, {"ip:47", 0}, {"ip:50", 0}, {"ip:253", 0}}
}

// converse makes the two ends of a flow between two addresses.
func (r *rig) converse(t testing.TB, x transport, pods [2]string, addrs [2]netip.Addr) [2]*speaker {
	var ends [2]*speaker
	for i := range ends {
		s := &speaker{name: fmt.Sprintf("%s, %s at %s", pods[i], x, addrs[i])}
		local := addrs[i].String()
		s.to = &net.IPAddr{IP: addrs[1-i].AsSlice()}
		if x.network == "udp" {
			local = netip.AddrPortFrom(addrs[i], x.port).String()
			s.to = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrs[1-i], x.port))
		}
		r.must(r.InPod(pods[i], func() (err error) {
			s.conn, err = (&net.ListenConfig{}).ListenPacket(context.Background(),
				network(x, addrs[i]), local)
			return err
		}))
		t.Cleanup(func() { s.conn.Close() })
		go s.talk(t.Context())
		go s.hear()
		ends[i] = s
	}
	return ends
}

func network(x transport, a netip.Addr) string {
	if x.network == "udp" {
		return x.network
	}
	family := "ip6"
	if a.Is4() {
		family = "ip4"
	}
	return family + x.network[len("ip"):]
}

func (s *speaker) talk(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(beat) {
		s.mu.Lock()
		if s.speaks {
			gre := []byte{0, 0, 0x88, 0xb5, 0, 0, 0, 1} // a header without options (RFC 2784)
			_, _ = s.conn.WriteTo(gre, s.to)
		}
		s.mu.Unlock()
	}
}

// speak lets it speak or not: in the end it has sent its last packet.
func (s *speaker) speak(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.speaks = on
}

func (s *speaker) hear() {
	for buffer := make([]byte, 100); ; {
		_, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		if addrOf(from) == addrOf(s.to) {
			s.heard.Add(1)
			s.last.Store(time.Now().UnixNano())
		}
	}
}

func addrOf(a net.Addr) string {
	if ip, ok := a.(*net.IPAddr); ok {
		return ip.IP.String()
	}
	return a.String()
}

// hears waits until it does.
func (s *speaker) hears(t testing.TB) {
	t.Helper()
	before := s.heard.Load()
	if !poll(func() bool { return s.heard.Load() > before+2 }) {
		t.Errorf("%s: hears nothing", s.name)
	}
}

// silent waits until nothing is heard, and that it stays so.
func (s *speaker) silent(t testing.TB) {
	t.Helper()
	quiet := func() bool { return time.Since(time.Unix(0, s.last.Load())) > cutWithin/10 }
	for deadline := time.Now().Add(cutWithin); !quiet() && time.Now().Before(deadline); {
		time.Sleep(beat)
	}
	before := s.heard.Load()
	time.Sleep(cutWithin / 10)
	if now := s.heard.Load(); now != before {
		t.Errorf("%s: should hear nothing, and heard %d more", s.name, now-before)
	}
}

// gossips is a world of pods that talk to each other by one port; the policy lets a/in alone begin.
var gossips = setting{pods: `a/in n1 app=in
		a/near n1 app=out
		a/far n2 app=out`}

var inBegins = []string{
	`a/in {podSelector: {matchLabels: {app: in}}, ingress: []}`,
	`a/out {podSelector: {matchLabels: {app: out}}, ingress: [{from: [{podSelector: {matchLabels: {app: in}}}]}]}`,
}

// conversations are between a/in and the others, of every protocol and family.
func conversations(r *rig, t testing.TB) (in, out []*speaker) {
	for i, other := range []string{"a/near", "a/far"} {
		for family := range 2 {
			for _, x := range transports() {
				x.port += uint16(i)
				pods := [2]string{"a/in", other}
				addrs := [2]netip.Addr{r.pods[pods[0]].Addrs[family], r.pods[pods[1]].Addrs[family]}
				ends := r.converse(t, x, pods, addrs)
				in, out = append(in, ends[0]), append(out, ends[1])
			}
		}
	}
	return in, out
}

// One port at both ends: where a policy comes that lets only one of them begin, what that one says
// arrives and so do the answers, whoever had begun before, and whenever the agent comes to know of
// it; where it says nothing the other is not heard.
func TestEitherEndOnRealPackets(t *testing.T) {
	for _, start := range []struct {
		name string
		open func(*rig, func(*stage)) // gets the rules in force
	}{
		{"a policy comes", func(r *rig, rules func(*stage)) {
			r.tell(changedWorld(r.t, r.told, rules))
		}},
		{"the agent comes", func(r *rig, rules func(*stage)) {
			r.restart(changedWorld(r.t, r.told, rules), func() {})
		}},
	} {
		for name, outFirst := range map[string]bool{"the other began": true,
			"the one that may began": false} {
			t.Run(start.name+", "+name, func(t *testing.T) {
				r := newRig(t, rigOptions{})
				r.become(gossips.world(t))
				in, out := conversations(r, t)
				r.take(t, in, out, outFirst)
				start.open(r, func(s *stage) { s.policy(inBegins[0]); s.policy(inBegins[1]) })
				r.onlyInBegins(t, in, out)
			})
		}
	}
}

// The same for pods that talk before the agent has heard of them.
func TestEitherEndBeforeThePodIsKnownOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := gossips.world(t)
	w = changedWorld(t, w, func(s *stage) { s.policy(inBegins[0]); s.policy(inBegins[1]) })
	r.build(w)
	in, out := conversations(r, t)
	r.take(t, in, out, true)
	r.tell(w)
	r.onlyInBegins(t, in, out)
}

// take lets one side begin, and the other answer.
func (r *rig) take(t testing.TB, in, out []*speaker, outFirst bool) {
	first, second := in, out
	if outFirst {
		first, second = out, in
	}
	for _, side := range [][]*speaker{first, second} {
		for i, s := range side {
			s.speak(true)
			listeners := out
			if &side[0] == &out[0] {
				listeners = in
			}
			listeners[i].hears(t)
		}
	}
}

func (r *rig) onlyInBegins(t *testing.T, in, out []*speaker) {
	for _, s := range append(in, out...) {
		s.hears(t)
	}
	for _, s := range in {
		s.speak(false)
	}
	time.Sleep(silence) // what was said last is still on its way, and would begin again
	r.forgetConnections()
	for _, s := range in {
		s.silent(t)
	}
	for i, s := range in {
		s.speak(true)
		out[i].hears(t)
		s.hears(t)
	}
}

// Where neither may begin, nothing is heard, whoever had begun; where one may again, it is.
func TestNeitherEndOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.become(gossips.world(t))
	in, out := conversations(r, t)
	r.take(t, in, out, true)
	first := r.told
	r.tell(changedWorld(t, first, func(s *stage) {
		s.policy(`a/all {podSelector: {}, ingress: []}`)
	}))
	for _, s := range append(in, out...) {
		s.silent(t)
	}
	r.tell(changedWorld(t, r.told, func(s *stage) {
		s.policy(inBegins[1])
	}))
	r.onlyInBegins(t, in, out)
	r.tell(first)
	for _, s := range append(in, out...) {
		s.hears(t)
	}
}
