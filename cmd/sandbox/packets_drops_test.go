package sandbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// told is what a watcher tells of one node.
type told struct {
	mu     sync.Mutex // guards the fields below
	drops  []drops.Drop
	counts map[drops.Subject]uint64
	audits map[drops.Subject]uint64
	lost   uint64
}

func (x *told) deliver(list []drops.Drop) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drops = append(x.drops, list...)
}

func (x *told) CountDenied(s drops.Subject, n uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.counts[s] += n
}

func (x *told) CountAudited(s drops.Subject, n uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.audits[s] += n
}

func (x *told) CountLost(n uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lost += n
}

func (x *told) Reading(bool) {}

// count is how many packets of a subject the metrics have.
func (x *told) count(s drops.Subject) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.counts[s]
}

// missed is how many logged packets were not read.
func (x *told) missed() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lost
}

// audited is how many packets of a subject the metrics have that were let through.
func (x *told) audited(s drops.Subject) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.audits[s]
}

// matching returns the drops that are so.
func (x *told) matching(is func(drops.Drop) bool) []drops.Drop {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(x.drops), func(d drops.Drop) bool { return !is(d) })
}

// has waits until one drop is so.
func (x *told) has(t *testing.T, what string, is func(drops.Drop) bool) drops.Drop {
	t.Helper()
	var found []drops.Drop
	if !poll(func() bool { found = x.matching(is); return len(found) > 0 }) {
		t.Errorf("nobody was told: %s; of %+v", what, x.matching(func(drops.Drop) bool { return true }))
		return drops.Drop{}
	}
	return found[0]
}

// watchDrops tells of what a node denies.
func (a *agent) watchDrops(t testing.TB) *told {
	t.Helper()
	x := &told{counts: map[drops.Subject]uint64{}, audits: map[drops.Subject]uint64{}}
	netNS := int(a.ns.Fd())
	ready := make(chan bool, 1)
	w := &drops.Watcher{Names: a.control, Meter: x, Deliver: x.deliver, Counter: counterOf(netNS),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Open: func() (drops.Reader, error) {
			r, err := nflog.Open(netNS)
			if err == nil {
				ready <- true
			}
			return r, err
		}}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	<-ready
	return x
}

// counterOf reads the counters of a node's rules, as the agent does but more often.
func counterOf(netNS int) drops.Counter {
	if onIPTables() {
		b := iptables.Open(iptables.Options{NetNS: netNS})
		return drops.Counter{All: b.Denials, Every: time.Second, LogName: iptables.LogName}
	}
	b := nft.Open(nft.Options{NetNS: netNS, Look: true})
	return drops.Counter{Every: time.Second,
		All: func(context.Context) ([]ruleset.DenialCount, error) { return b.Denials(nil) },
		Some: func(_ context.Context, chains []ruleset.ChainID) ([]ruleset.DenialCount, error) {
			return b.Denials(chains)
		}}
}

// denyAll isolates the pods of the trio, which have long names, in both directions.
var denyAll = setting{pods: trio, policies: []string{
	`a/deny {podSelector: {}, policyTypes: [Ingress, Egress]}`,
	`a/web-out {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{}]}`,
	`a/web-in {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: none}}}], ports: [{port: 80}]}]}`}}

// What is denied is told in names: of either direction, family and protocol, with the policies that
// isolate the pod. A pod that has gone since keeps its name.
func TestDropsAreToldOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := denyAll.world(t)
	r.become(w)
	x := r.agents["n1"].watchDrops(t)
	ports := map[sandbox.Protocol]string{sandbox.TCP: "tcp/80", sandbox.UDP: "udp/80"}
	var probes []sandbox.Probe
	for _, a := range r.pods["a/far"].Addrs {
		for p := range ports {
			probes = append(probes, sandbox.Probe{From: "a/cli", To: "a/far", Addr: a, Protocol: p,
				Port: 80})
		}
	}
	for _, a := range r.pods["a/web"].Addrs { // from a host outside, so ingress decides
		probes = append(probes, sandbox.Probe{From: hostOf("out"), To: "a/web", Addr: a,
			Protocol: sandbox.TCP, Port: 80})
	}
	for _, o := range r.run(silence, probes) {
		if o != sandbox.Silent {
			t.Fatalf("%v: nothing is denied", o)
		}
	}
	for _, a := range r.pods["a/far"].Addrs {
		for _, port := range ports {
			d := x.has(t, fmt.Sprint("egress to ", a, " ", port), func(d drops.Drop) bool {
				return d.Direction == ruleset.Egress && d.Port == port && d.To.Address == a
			})
			if d.From.Pod != "a/cli" || d.To.Pod != "a/far" || d.Node != "n1" ||
				!slices.Equal(d.IsolatedBy, []string{"a/deny"}) {
				t.Errorf("%+v", d)
			}
		}
		r.ping("a/cli", a, silence)
		d := x.has(t, fmt.Sprint("a ping of ", a), func(d drops.Drop) bool {
			return d.To.Address == a && (d.Port == "icmp/8" || d.Port == "icmpv6/128")
		})
		if d.From.Pod != "a/cli" {
			t.Errorf("%+v", d)
		}
	}
	for _, a := range r.pods["a/web"].Addrs {
		d := x.has(t, fmt.Sprint("ingress to ", a), func(d drops.Drop) bool {
			return d.Direction == ruleset.Ingress && d.To.Address == a && d.Port == "tcp/80"
		})
		if d.To.Pod != "a/web" || d.From.Pod != "" || !d.From.Address.IsValid() ||
			!slices.Equal(d.IsolatedBy, []string{"a/deny", "a/web-in"}) ||
			d.Nearest != "a/web-in ingress[0]" {
			t.Errorf("%+v", d)
		}
	}
	subject := drops.Subject{Direction: ruleset.Egress, Namespace: "a", Workload: "cli"}
	eventually(t, "counted", func() bool { return x.count(subject) >= 6 })
	r.tellOfGone(t, x)
}

// tellOfGone has a pod go while another still sends to it.
func (r *rig) tellOfGone(t *testing.T, x *told) {
	to := r.pods["a/far"].Addrs[0]
	r.tell(changedWorld(t, r.told, func(s *stage) { s.dropPod("a/far") }))
	r.must(r.sendUDP("a/cli", to, 99))
	d := x.has(t, "to a pod that is gone", func(d drops.Drop) bool { return d.Port == "udp/99" })
	if d.To.Pod != "a/far" || !d.To.Gone {
		t.Errorf("%+v", d)
	}
	nobody := netip.MustParseAddr("10.244.2.250")
	r.must(r.sendUDP("a/cli", nobody, 98))
	d = x.has(t, "to nobody", func(d drops.Drop) bool { return d.Port == "udp/98" })
	if d.To.Pod != "" || !d.To.NoPod || d.To.Address != nobody {
		t.Errorf("%+v", d)
	}
}

// A flood of denied packets is counted exactly, shown as a sample, and costs little; where its rules
// are changed meanwhile, what was counted stays counted.
func TestFloodOfDeniedPackets(t *testing.T) {
	needNFTables(t, "counting a few chains at once")
	const packets = 200_000
	r := newRig(t, rigOptions{})
	r.become(denyAll.world(t))
	x := r.agents["n1"].watchDrops(t)
	subject := drops.Subject{Direction: ruleset.Egress, Namespace: "a", Workload: "cli"}
	before := r.denied(t, "egress/a/cli")
	began, used := time.Now(), processorTime()
	r.flood(packets)
	took := time.Since(began)
	used = processorTime() - used
	all := func() (shown int, more uint64) {
		for _, d := range x.matching(func(drops.Drop) bool { return true }) {
			shown, more = shown+d.Packets, more+d.More
		}
		return shown, more
	}
	var sent, more uint64
	var shown int
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		sent = r.denied(t, "egress/a/cli") - before
		if shown, more = all(); uint64(shown)+more == sent && x.count(subject) == sent {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d were denied; %d shown and %d more, %d counted", sent, shown, more,
				x.count(subject))
		}
	}
	t.Logf("%d packets in %v (%.0f a second): %d shown, %d more, %d lost; %v of a processor for the "+
		"flood and its telling", sent, took, float64(sent)/took.Seconds(), shown, more, x.missed(), used)
	if limit := 20 + 11*int(took.Seconds()+1); shown > limit {
		t.Errorf("%d were shown; expected %d at most", shown, limit)
	}
}

// denied is what the kernel of n1 has counted in a chain.
func (r *rig) denied(t *testing.T, chain ruleset.ChainID) (packets uint64) {
	t.Helper()
	b := nft.Open(nft.Options{NetNS: int(r.agents["n1"].ns.Fd()), Look: true})
	defer b.Close()
	counts, err := b.Denials([]ruleset.ChainID{chain})
	r.must(err)
	for _, c := range counts {
		packets += c.Packets
	}
	return packets
}

// flood sends datagrams from a/cli to a/far as fast as it can.
func (r *rig) flood(packets int) {
	var conn net.Conn
	r.must(r.InPod("a/cli", func() (err error) {
		conn, err = net.Dial("udp", netip.AddrPortFrom(r.pods["a/far"].Addrs[0], 80).String())
		return err
	}))
	defer conn.Close()
	for range packets {
		_, _ = conn.Write([]byte("x"))
	}
}

// processorTime is what this process has used of processors.
func processorTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	runtime.Gosched()
	return time.Duration(syscall.TimevalToNsec(syscall.Timeval(u.Utime)) +
		syscall.TimevalToNsec(syscall.Timeval(u.Stime)))
}
