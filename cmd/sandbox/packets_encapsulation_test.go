package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Ports of tunnels that the tests make.
const (
	genevePort = 6081
	fouPort    = 5555
)

// encapsulation is a kind of tunnel: the device that takes packets out of it, and how they are
// packed.
type encapsulation struct {
	name   string
	device func(node net.IP) error // in the node's namespace
	proto  int                     // of the outer packet
	port   uint16                  // with UDP
	header []byte                  // before the inner packet
	six    bool                    // the inner packet is an IPv6 one
}

// encapsulations are those without keys. None of them asks who sends.
func encapsulations() []encapsulation {
	ethernet := slices.Concat(vxlanMAC, []byte{2, 0, 0, 0, 0, 9, 8, 0})
	return []encapsulation{
		{name: "geneve", device: addGeneve, proto: unix.IPPROTO_UDP, port: genevePort,
			header: slices.Concat([]byte{0, 0, 0x65, 0x58, 0, 0, 1, 0}, ethernet)},
		{name: "ipip", device: addIPIP, proto: unix.IPPROTO_IPIP},
		{name: "gre", device: addGRE, proto: unix.IPPROTO_GRE, header: []byte{0, 0, 8, 0}},
		{name: "sit", device: addSIT, proto: unix.IPPROTO_IPV6, six: true},
		{name: "fou", device: addFou("ipproto", "4"), proto: unix.IPPROTO_UDP, port: fouPort},
		{name: "gue", device: addFou("gue"), proto: unix.IPPROTO_UDP, port: fouPort,
			header: []byte{0, unix.IPPROTO_IPIP, 0, 0}},
	}
}

func linkUp(device netlink.Link) error {
	if err := netlink.LinkAdd(device); err != nil {
		return err
	}
	return netlink.LinkSetUp(device)
}

func addGeneve(net.IP) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "geneve1", vxlanMAC
	return linkUp(&netlink.Geneve{LinkAttrs: attrs, FlowBased: true, Dport: genevePort})
}

func addIPIP(node net.IP) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "flannel.ipip"
	return linkUp(&netlink.Iptun{LinkAttrs: attrs, Local: node})
}

func addGRE(node net.IP) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "gre1"
	return linkUp(&netlink.Gretun{LinkAttrs: attrs, Local: node})
}

func addSIT(node net.IP) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "sit1"
	return linkUp(&netlink.Sittun{LinkAttrs: attrs, Local: node})
}

// addFou uses the program, because the library says of gue that it carries the protocol 0, which
// Linux 6.19 refuses, and updates of older ones (CVE-2026-23083). Releases of the library of 2026-05 and
// later don't.
func addFou(kind ...string) func(net.IP) error {
	return func(node net.IP) error {
		add := append([]string{"fou", "add", "port", fmt.Sprint(fouPort)}, kind...)
		if text, err := exec.Command("ip", add...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w %s", err, text)
		}
		return addIPIP(node)
	}
}

// innerDatagram is what a tunnel carries to a/web, from the address of a/far.
func (r *rig) innerDatagram(six bool, port int) []byte {
	family := 0
	if six {
		family = 1
	}
	return emptyDatagram(r.addrsOf("a/far")[family], r.addrsOf("a/web")[family], port)
}

// encapsulate sends a datagram to a/web through a tunnel of n1.
func (r *rig) encapsulate(e encapsulation, from string, port int) error {
	packed := slices.Concat(e.header, r.innerDatagram(e.six, port))
	to := r.addrsOf("n1")[0]
	if e.proto == unix.IPPROTO_UDP {
		return r.sendPayload(from, netip.AddrPortFrom(to, e.port), packed)
	}
	return r.sendProtocol(from, to, e.proto, packed)
}

// Nobody reaches a pod through a tunnel of its node, of whatever kind, but other nodes.
func TestEncapsulationsOnRealPackets(t *testing.T) {
	world := setting{pods: trio, policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: far}}}]}]}`}}
	for _, e := range encapsulations() {
		t.Run(e.name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			w := world.world(t)
			r.build(w)
			for _, node := range []string{"n1", "n2"} {
				err := r.InNode(node, func() error {
					return e.device(net.IP(r.addrsOf(node)[0].AsSlice()))
				})
				if err != nil {
					t.Skipf("SKIPPED, NOTHING WAS TESTED: this kernel has no such tunnels: %v", err)
				}
			}
			heard := r.listen("a/web", 5002)
			r.must(r.encapsulate(e, "a/cli", 5002))
			eventually(t, "it arrives while nobody filters", func() bool {
				return heard.Load() == 1
			})
			r.start()
			r.tell(w)
			r.onlyNodesEncapsulate(e, heard)
		})
	}
}

// onlyNodesEncapsulate demands that what pods send does not arrive: neither before nor after
// another node's.
func (r *rig) onlyNodesEncapsulate(e encapsulation, heard *atomic.Int64) {
	r.t.Helper()
	r.forgetConnections()
	for _, from := range []string{"a/cli", "a/far"} {
		r.must(r.encapsulate(e, from, 5002))
	}
	r.must(r.encapsulate(e, hostOf("n2"), 5002))
	eventually(r.t, "another node's arrives", func() bool { return heard.Load() > 1 })
	r.must(r.encapsulate(e, hostOf("n2"), 5002))
	eventually(r.t, "another node's second arrives", func() bool { return heard.Load() > 2 })
	if got := heard.Load(); got != 3 {
		r.t.Errorf("LEAK: %d arrived; expected one while nobody filters, and two of another node",
			got)
	}
	if e.port == 0 {
		return
	}
	have, err := r.agents["n1"].tap.look(r.t.Context())
	r.must(err)
	want := ruleset.Member{Proto: ruleset.UDP, Port: e.port}
	if got := have.Sets[ruleset.TunnelPorts()]; !slices.Equal(got, []ruleset.Member{want}) {
		r.t.Errorf("ports of tunnels are %v; expected %v", got, want)
	}
}

// WireGuard takes nothing from who has no key, so that its port needs no guard.
func TestWireGuardTakesNothingWithoutAKey(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	r.build(setting{pods: trio}.world(t))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "flannel-wg"
	var port uint16
	err := r.InNode("n1", func() error {
		if err := linkUp(&netlink.Wireguard{LinkAttrs: attrs}); err != nil {
			return err
		}
		list, err := os.ReadFile("/proc/thread-self/net/udp")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(list)) {
			if _, err := fmt.Sscanf(strings.Fields(line)[1], "00000000:%X", &port); err == nil {
				return nil
			}
		}
		return errors.New("its port is not found in " + string(list))
	})
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: this kernel has no WireGuard: %v", err)
	}
	heard := r.listen("a/web", 5002)
	inner := r.innerDatagram(false, 5002)
	for _, header := range [][]byte{nil, {1, 0, 0, 0}, {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0}} {
		r.must(r.sendPayload("a/cli", netip.AddrPortFrom(r.addrsOf("n1")[0], port),
			slices.Concat(header, inner, make([]byte, 16))))
	}
	r.must(r.sendPayload("a/cli", netip.AddrPortFrom(r.addrsOf("a/web")[0], 5002), []byte("x")))
	eventually(t, "what is sent without a tunnel arrives", func() bool { return heard.Load() > 0 })
	if got := heard.Load(); got != 1 {
		t.Errorf("%d arrived; expected the one that was sent without a tunnel", got)
	}
}
