package sandbox_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// virtual is an address and port of a Service, and whose port is behind it.
type virtual struct {
	addr       netip.Addr
	port       uint16
	server     netip.Addr
	serverPort uint16
}

// apiService is a Service of a process on the host network of n1.
var apiService = []string{"10.96.0.3", "fd96::3"}

// needIPVS skips a test where the kernel or the machine has no IPVS. That is no failure even with
// REQUIRE_KERNEL=1: many kernels are built without the module ip_vs, which nothing here depends on.
func needIPVS(t *testing.T) {
	t.Helper()
	text, err := exec.Command("ipvsadm", "-l", "-n").CombinedOutput() // it loads the module, too
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: no IPVS here: %v %s", err, text)
	}
}

// addServiceDevice makes an interface like kube-ipvs0, in the calling thread's namespace, and
// lets conntrack know of what IPVS translates, as kube-proxy does.
func addServiceDevice() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "kube-ipvs0"
	device := &netlink.Dummy{LinkAttrs: attrs}
	if err := netlink.LinkAdd(device); err != nil {
		return err
	}
	var errs []error
	for _, service := range [][]string{webService, farService, apiService} {
		for _, text := range service {
			addr := netip.MustParseAddr(text)
			prefix, err := netlink.ParseAddr(netip.PrefixFrom(addr, addr.BitLen()).String())
			errs = append(errs, err, netlink.AddrAdd(device, prefix))
		}
	}
	return errors.Join(append(errs, os.WriteFile("/proc/sys/net/ipv4/vs/conntrack", []byte("1"),
		0))...)
}

// serveByIPVS adds Services to a node's IPVS, for TCP and UDP.
func (r *rig) serveByIPVS(node string, list []virtual) error {
	var script strings.Builder
	for _, v := range list {
		for _, proto := range []string{"-t", "-u"} {
			from := netip.AddrPortFrom(v.addr, v.port)
			fmt.Fprintf(&script, "-A %s %s -s rr\n", proto, from)
			fmt.Fprintf(&script, "-a %s %s -r %s -m\n", proto, from, netip.AddrPortFrom(v.server,
				v.serverPort))
		}
	}
	return r.runInNode(node, script.String(), exec.Command("ipvsadm", "-R"))
}

// virtuals are the Services of services on a node, and one of a host process on n1. Its pods
// must be there.
func (r *rig) virtuals(node string) (list []virtual) {
	for f := range 2 {
		web, far := r.addrsOf("a/web")[f], r.addrsOf("a/far")[f]
		own := r.addrsOf(node)[f]
		list = append(list,
			virtual{netip.MustParseAddr(webService[f]), 80, web, 8080},
			virtual{netip.MustParseAddr(farService[f]), 80, far, 8080},
			virtual{netip.MustParseAddr(apiService[f]), 443, r.addrsOf("n1")[f], 6443},
			virtual{own, 30080, web, 8080},
			virtual{own, 30081, far, 8080},
		)
	}
	return list
}

// masqueraded has the node's address taken as the source: by its own processes, by a pod that
// reaches itself, and by clients of these ports.
func masqueraded(ports string) string {
	return `table inet services {
	chain prerouting {
		type filter hook prerouting priority mangle
		fib daddr type local meta l4proto { tcp, udp } th dport { ` + ports + ` } meta mark set 1
	}
	chain output {
		type filter hook output priority mangle
		ip daddr 10.96.0.0/16 meta mark set 1
		ip6 daddr fd96::/16 meta mark set 1
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		meta mark 1 masquerade
		ip saddr 10.244.1.2 ip daddr 10.244.1.2 masquerade
		ip saddr 10.244.2.4 ip daddr 10.244.2.4 masquerade
		ip6 saddr fd00:10:244:1::2 ip6 daddr fd00:10:244:1::2 masquerade
		ip6 saddr fd00:10:244:2::4 ip6 daddr fd00:10:244:2::4 masquerade
	}
}
`
}

// ipvsModes are the ports at which clients get the node's address: those of pods on other nodes,
// or all.
var ipvsModes = map[string]string{"direct": "30081", "masqueraded": "80, 443, 30080, 30081"}

// A Service by IPVS, whose packets leave by the output hook, is decided like one by nftables.
func TestIPVSOnRealPackets(t *testing.T) {
	needIPVS(t)
	needNft(t)
	for mode, ports := range ipvsModes {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			r.proxyByIPVS(ports)
			for _, p := range []sandbox.Protocol{sandbox.TCP, sandbox.UDP} {
				r.must(r.Serve(hostOf("n1"), p, 6443))
			}
			scenes := append(serviceScenes(), apiScenes()...)
			if mode == "direct" {
				scenes = append(scenes, keptScenes()...)
			}
			r.playServices(t, scenes)
		})
	}
}

// proxyByIPVS runs Services by IPVS on all nodes, where clients of some ports get the node's
// address.
func (r *rig) proxyByIPVS(masquerading string) {
	r.t.Helper()
	r.build(setting{pods: trio}.world(r.t))
	for node := range r.agents {
		r.must(r.InNode(node, addServiceDevice))
		r.must(r.serveByIPVS(node, r.virtuals(node)))
		r.must(r.nft(node, masqueraded(masquerading)))
	}
}

// A client that is denied by IPVS is told at once, too.
func TestRejectThroughIPVSOnRealPackets(t *testing.T) {
	needIPVS(t)
	needNft(t)
	r := newRig(t, rigOptions{denial: ruleset.Reject})
	r.proxyByIPVS(ipvsModes["direct"])
	r.play(t, closed)
	r.allRefused()
}

// apiScenes are about a Service of a host process.
func apiScenes() []serviceScene {
	return []serviceScene{
		{setting{name: "a host process, no policy", pods: trio}, []serviceRow{
			{"allow", "a/cli", hostOf("n1"), 443, apiService},
			{"allow", "a/far", hostOf("n1"), 443, apiService},
		}},
		{closed.named("a host process of the own node"), []serviceRow{
			{"allow", "a/cli", hostOf("n1"), 443, apiService},
			{"deny", "a/far", hostOf("n1"), 443, apiService},
		}},
	}
}

// openThroughIPVS is openRig with clients that connect to Services.
func openThroughIPVS(t *testing.T) (r *rig, forbidden, permitted []*stream) {
	r = newRig(t, rigOptions{})
	r.become(talkers.world(t))
	for node := range r.agents {
		r.must(r.InNode(node, addServiceDevice))
	}
	for i, server := range []string{"a/near", "a/far"} {
		forbidden = append(forbidden, r.throughIPVS("n1", r.newStreams("a/cli", server, 7000+
			uint16(100*i)))...)
		permitted = append(permitted, r.throughIPVS("n1", r.newStreams("a/twin", server, 7050+
			uint16(100*i)))...)
	}
	goOn(t, append(forbidden, permitted...))
	return r, forbidden, permitted
}

// throughIPVS opens streams by Services on the clients' node.
func (r *rig) throughIPVS(node string, streams []*stream) []*stream {
	r.t.Helper()
	for _, s := range streams {
		s.slow, s.answered = true, true
		s.through = alike([]netip.Addr{netip.MustParseAddr(webService[0]),
			netip.MustParseAddr(webService[1])}, s.to.Addr())
		r.must(r.serveByIPVS(node, []virtual{{s.through, s.to.Port(), s.to.Addr(), s.to.Port()}}))
	}
	r.openAll(streams)
	return streams
}

// What is open through IPVS is cut by a change that forbids it, and goes on by one that allows
// it again; servers that may open nothing themselves go on answering.
func TestOpenConnectionsThroughIPVSOnRealPackets(t *testing.T) {
	needIPVS(t)
	r, forbidden, permitted := openThroughIPVS(t)
	first := r.told
	for _, narrow := range narrowings[:3] {
		t.Run(narrow.name, func(t *testing.T) {
			r.narrowAndAllow(t, narrow.do, forbidden, permitted)
		})
	}
	t.Run("servers may only answer", func(t *testing.T) {
		r.report(t)
		r.tell(changedWorld(t, first, func(s *stage) {
			s.policy(`a/mute {podSelector: {matchLabels: {app: server}}, policyTypes: [Egress]}`)
		}))
		undisturbed(t, permitted)
		goOn(t, forbidden)
	})
}
