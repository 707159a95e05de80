package sandbox_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset/oracle"
)

// ipv6Transparent lets a socket have an address that is not the node's (IPV6_TRANSPARENT, Linux
// 2.6.37).
const ipv6Transparent = 75

// transparent lets a socket send from any address, as IPVS and transparent proxies do: what it
// sends leaves by the output hook.
func transparent(network, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if network == "udp4" {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		} else {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, ipv6Transparent, 1)
		}
	})
	if err == nil {
		err = failed
	}
	return os.NewSyscallError("setsockopt", err)
}

// sendOnBehalf sends a datagram from a process of a node that uses somebody else's address.
func (r *rig) sendOnBehalf(node string, from, to netip.Addr, port uint16) error {
	network := map[bool]string{true: "udp4", false: "udp6"}[to.Is4()]
	return r.InNode(node, func() error {
		dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)),
			Control: transparent}
		conn, err := dialer.Dial(network, netip.AddrPortFrom(to, port).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		return err
	})
}

// outputRow is what a node sends with somebody's address, and whether it may arrive in a world.
type outputRow struct {
	verdict, from, to string
}

// What leaves a node by its output hook for somebody else is decided like what it forwards: by
// egress of the pod whose address it has, and by ingress of the pod that it goes to. It is how IPVS
// sends a Service's packets on.
func TestOutputOnRealPackets(t *testing.T) {
	for _, s := range []struct {
		setting
		rows []outputRow
	}{
		{setting{name: "no policy", pods: trio}, []outputRow{
			{"allow", "a/cli", "a/web"}, {"allow", "a/cli", "a/far"}, {"allow", "out", "a/web"},
			{"allow", "a/cli", "n1"}}},
		{setting{name: "egress denied", pods: trio, policies: []string{
			`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`},
			flows: "deny a/cli > a/web UDP 81"}, []outputRow{
			{"deny", "a/cli", "a/web"}, {"deny", "a/cli", "a/far"}, {"allow", "out", "a/web"},
			{"allow", "a/cli", "n1"}}},
		{setting{name: "ingress denied", pods: trio, policies: []string{
			`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`},
			flows: "deny a/cli > a/web UDP 81"}, []outputRow{
			{"deny", "a/cli", "a/web"}, {"allow", "a/cli", "a/far"}, {"deny", "out", "a/web"}}},
		{setting{name: "ingress from one pod", pods: trio, policies: []string{
			`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}]}]}`}, flows: "deny a/far > a/web UDP 81"},
			[]outputRow{{"allow", "a/cli", "a/web"}, {"deny", "a/far", "a/web"},
				{"deny", "out", "a/web"}}},
	} {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			w := s.world(t)
			r.become(w)
			for i, row := range s.rows {
				r.tryOutput(w, row, 5001+i, s.flows)
			}
		})
	}
}

// tryOutput sends in both families. What is denied has as long to arrive as a probe that does not.
func (r *rig) tryOutput(w *oracle.World, row outputRow, port int, denied string) {
	r.t.Helper()
	receiver, want := row.to, int64(0)
	if receiver == "n1" {
		receiver = hostOf("n1")
	}
	heard := r.listen(receiver, port)
	for family := range 2 {
		err := r.sendOnBehalf("n1", r.addrsOf(row.from)[family], r.addrsOf(row.to)[family],
			uint16(port))
		// what is dropped there is refused
		if row.verdict == "allow" || !errors.Is(err, unix.EPERM) {
			r.must(err)
		}
	}
	if row.verdict == "allow" {
		want = 2
		eventually(r.t, row.from+" > "+row.to+" arrives", func() bool {
			return heard.Load() == want
		})
	} else {
		r.check(w, denied)
	}
	if got := heard.Load(); got != want {
		r.t.Errorf("%s > %s by the output hook of n1: %d of 2 arrived; expected %s", row.from,
			row.to, got, row.verdict)
	}
}

// addrsOf returns the IPv4 and the IPv6 address of a pod, a node or the host outside.
func (r *rig) addrsOf(name string) []netip.Addr {
	if p, is := r.pods[name]; is {
		return p.Addrs
	}
	for _, n := range rigNodes() {
		if n.Name == name {
			return n.Addrs
		}
	}
	r.t.Fatalf("nobody is called %s", name)
	return nil
}
