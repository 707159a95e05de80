package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		TCP.String(): "TCP", UDP.String(): "UDP", SCTP.String(): "SCTP", Protocol(9).String(): "protocol(9)",
		Silent.String(): "silent", Open.String(): "open", Refused.String(): "refused",
		Stranger.String(): "stranger", Outcome(9).String(): "outcome(9)",
		between(podOn("a", 0), podOn("b", 0),
			80)[0].String(): "default/a0 -> default/b0 (TCP 10.244.1.10:80)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheWrongPodAnswers(t *testing.T) {
	c := newCluster(t, threeNodes())
	from, right, wrong := podOn("a", 0), podOn("b", 0), podOn("c", 0)
	start(t, c, from, right, wrong)
	right.Addrs = wrong.Addrs
	want(t, c, Stranger, between(from, right, webPort)...)
	right.Name = ""
	want(t, c, Open, between(from, right, webPort)...)
}

// A server that is not ours takes the connection and says nothing, or something else.
func TestForeignServers(t *testing.T) {
	c := newCluster(t, threeNodes())
	from, to := podOn("a", 0), podOn("b", 0)
	start(t, c, from, to)
	mute, curt := listen(t, c, to, 8001, nil), listen(t, c, to, 8002, []byte("SSH-2.0\r\n"))
	defer mute.Close()
	defer curt.Close()
	want(t, c, Silent, between(from, to, 8001)[0])
	want(t, c, Stranger, between(from, to, 8002)[0])
}

// listen answers each connection with the text, or never if there is none.
func listen(t *testing.T, c *Cluster, p Pod, port uint16, text []byte) (l net.Listener) {
	t.Helper()
	err := c.InPod(p.Name, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(p.Addrs[0], port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for conn, err := l.Accept(); err == nil && text != nil; conn, err = l.Accept() {
			_, _ = conn.Write(text)
			conn.Close()
		}
	}()
	return l
}

func TestServe(t *testing.T) {
	c := newCluster(t, threeNodes()[:1])
	p := podOn("a", 0)
	host := Pod{Name: "kube-system/h1", Node: "a", HostNetwork: true}
	rival := Pod{Name: "kube-system/h2", Node: "a", HostNetwork: true}
	start(t, c, p, host, p2(p))
	if err := c.AddPod(rival); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Serve(p.Name, TCP, webPort); err != nil {
			t.Errorf("serve again: %v", err)
		}
	}
	if err := c.Serve(rival.Name, TCP, webPort); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("two host pods on one port: %v", err)
	}
	if err := c.Serve("x/x", TCP, webPort); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such pod: %v", err)
	}
	if err := c.Serve(p.Name, Protocol(9), webPort); err == nil {
		t.Error("no such protocol: no error")
	}
	want(t, c, Open, allPairs([]Pod{p, p2(p)})...)
}

// p2 is the pod's sister with a second address of each family.
func p2(p Pod) Pod {
	p.Name += "-sister"
	p.Addrs = addrs("10.244.0.50", "fd00:244::50", "10.244.0.51", "fd00:244::51", "10.99.0.1")
	return p
}

func TestProbesThatCannotBe(t *testing.T) {
	c := newCluster(t, threeNodes())
	p := podOn("a", 0)
	p.Addrs = p.Addrs[:1]
	start(t, c, p)
	for name, probe := range map[string]Probe{
		"no such pod":      {From: "x/x", Addr: p.Addrs[0]},
		"no such protocol": {From: p.Name, Addr: p.Addrs[0], Protocol: 9},
		"no such family":   {From: p.Name, Addr: netip.MustParseAddr("fd00::1")},
		"no address":       {From: p.Name},
	} {
		if outcomes, err := c.Run(context.Background(), []Probe{probe}, timeout); err == nil {
			t.Errorf("%s: %v, no error", name, outcomes)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	c := newCluster(t, threeNodes())
	p := podOn("a", 0)
	start(t, c, p)
	nobody := Probe{From: p.Name, Addr: netip.MustParseAddr("10.244.1.99"), Port: webPort}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := c.Run(ctx, []Probe{nobody}, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// A node that rejects what it forwards answers each of many probes.
func TestRejects(t *testing.T) {
	c := newCluster(t, threeNodes())
	from, to := podOn("a", 0), podOn("b", 0)
	start(t, c, from, to)
	var probes, tcp []Probe
	for port := range uint16(100) {
		for _, p := range between(from, to, 1000+port) {
			probes = append(probes, p)
			if p.Protocol == TCP {
				tcp = append(tcp, p)
			}
		}
	}
	reject(t, c, "b", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH,
		Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	want(t, c, Refused, probes...)
	reject(t, c, "b", expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	want(t, c, Refused, tcp...)
}

// reject makes a node reject everything that it forwards to its pods.
func reject(t *testing.T, c *Cluster, node string, how expr.Reject) {
	t.Helper()
	err := c.InNode(node, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := &nftables.Table{Name: "reject", Family: nftables.TableFamilyINet}
		conn.AddTable(table)
		conn.DelTable(table)
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&how}})
		return conn.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyProbesCostOneTimeout(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(3)
	start(t, c, pods...)
	nobody := Pod{Addrs: addrs("10.244.1.99", "fd00:244:0:1::99")}
	var probes []Probe
	var wanted []Outcome
	add := func(o Outcome, more ...Probe) {
		for _, p := range more {
			probes, wanted = append(probes, p), append(wanted, o)
		}
	}
	for len(probes) < 1000 {
		add(Open, allPairs(pods)...)
		for i := range pods {
			add(Refused, between(pods[i], pods[(i+4)%len(pods)], closedPort)...)
			add(Silent, between(pods[i], nobody, webPort)...)
		}
	}
	began := time.Now()
	got := run(t, c, timeout, probes...)
	t.Logf("%d probes, timeout %v: %v", len(probes), timeout, time.Since(began))
	if took := time.Since(began); took > 20*timeout {
		t.Errorf("%d probes took %v", len(probes), took)
	}
	for i := range probes {
		if got[i] != wanted[i] {
			t.Errorf("%s: %s, want %s", probes[i], got[i], wanted[i])
		}
	}
}

// More sockets than the process may have open are sent in several volleys.
func TestMoreProbesThanSockets(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := before
	few.Cur = 300
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	c := newCluster(t, threeNodes())
	pods := podsPerNode(2)
	start(t, c, pods...)
	probes := append(allPairs(pods), append(allPairs(pods), allPairs(pods)...)...)
	want(t, c, Open, probes...)
}

// Pods come and go while others are probed: nobody else's probe notices.
func TestPodsComeAndGoMeanwhile(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(1)
	start(t, c, pods...)
	var stop atomic.Bool
	failed := make(chan error, 1)
	go func() {
		guest := podOn("b", 7)
		var err error
		for !stop.Load() && err == nil {
			if err = c.AddPod(guest); err == nil {
				err = errors.Join(c.Serve(guest.Name, TCP, webPort), c.DeletePod(guest.Name))
			}
		}
		failed <- err
	}()
	for range 20 {
		want(t, c, Open, allPairs(pods)...)
	}
	stop.Store(true)
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// SCTP is probed with real sockets, over both families, where the kernel has them.
func TestSCTP(t *testing.T) {
	if err := SCTP.Supported(); err != nil {
		t.Skip(err)
	}
	c := newCluster(t, threeNodes())
	from, to := podOn("a", 0), podOn("b", 0)
	start(t, c, from, to)
	if err := c.Serve(to.Name, SCTP, webPort); err != nil {
		t.Fatal(err)
	}
	served, refused := between(from, to, webPort), between(from, to, webPort+1)
	for i := range served {
		served[i].Protocol, refused[i].Protocol = SCTP, SCTP
	}
	want(t, c, Open, served...)
	want(t, c, Refused, refused...)
}
