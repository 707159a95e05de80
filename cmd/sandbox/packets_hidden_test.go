package sandbox_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
)

// A pod that a policy isolates, but whose packets pass no hook of its node, keeps the node from
// being ready, until it is attached as others are.
func TestHiddenPodOnRealPackets(t *testing.T) {
	for _, link := range []netlink.Link{&netlink.Macvlan{Mode: netlink.MACVLAN_MODE_BRIDGE},
		&netlink.IPVlan{Mode: netlink.IPVLAN_MODE_L2}} {
		t.Run(link.Type(), func(t *testing.T) { hideAndAttach(t, link) })
	}
}

// hideAndAttach has a pod with a link on its node's, and then with a veth.
func hideAndAttach(t *testing.T, link netlink.Link) {
	r := newRig(t, rigOptions{})
	odd := netip.MustParseAddr("10.77.0.200")
	w := setting{
		pods:     trio + "\na/odd n1 10.77.0.200 app=odd",
		policies: []string{`a/out {podSelector: {matchLabels: {app: odd}}, policyTypes: [Egress]}`},
	}.world(t)
	r.build(changedWorld(t, w, func(s *stage) { s.dropPod("a/odd") }))
	inside := r.onLink("n1", link, netip.PrefixFrom(odd, 24))
	r.send(r.news(w)...)
	health := r.agents["n1"].control.Health
	r.agents["n1"].await(t, "not ready, with the pod and what it is behind", func() bool {
		reason := health.Readiness().Reasons["hidden"]
		return strings.Contains(reason, "a/odd 10.77.0.200") &&
			strings.Contains(reason, link.Type()) && strings.Contains(reason, "eth0")
	})
	ear := r.hears("n2", "hidden")
	eventually(t, "its packets pass by the rules", func() bool {
		r.must(inside.Do(func() error {
			return sandbox.Frame{Packet: marked(odd, rigNodes()[2].Addrs[0], "hidden")}.Send("eth0")
		}))
		return holdsWithin(silence, func() bool { return ear.Count() > 0 })
	})
	r.must(inside.Close())
	r.pods["a/odd"] = sandbox.Pod{Name: "a/odd", Node: "n1", Addrs: []netip.Addr{odd}}
	r.must(r.AddPod(r.pods["a/odd"]))
	began := time.Now()
	r.agents["n1"].await(t, "ready", func() bool { return health.Readiness().Ready })
	r.waitInForce()
	t.Logf("ready %v after it was attached", time.Since(began))
	r.expect(w, append(byHand(false, "a/odd", "a/cli", corev1.ProtocolTCP, 80, "10.244.1.3"),
		byHand(true, "a/odd", hostOf("n1"), corev1.ProtocolTCP, 10250, "10.77.0.11")...))
}

// onLink makes a namespace whose eth0 is the link, on a node's.
func (r *rig) onLink(node string, link netlink.Link, addr netip.Prefix) sandbox.Netns {
	r.t.Helper()
	inside, err := sandbox.NewNetns()
	r.must(err)
	var ns *os.File
	r.must(inside.Do(func() (err error) {
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	}))
	defer ns.Close()
	err = r.InNode(node, func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		link.Attrs().Name, link.Attrs().ParentIndex = "moved", eth0.Attrs().Index
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		return netlink.LinkSetNsFd(link, int(ns.Fd()))
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		r.t.Skipf("SKIPPED, NOTHING WAS TESTED: this kernel has no %s", link.Type())
	}
	r.must(err)
	r.must(inside.Do(func() error {
		link, err := netlink.LinkByName("moved")
		if err != nil {
			return err
		}
		ip, err := netlink.ParseAddr(addr.String())
		return errors.Join(err, netlink.LinkSetName(link, "eth0"), netlink.AddrAdd(link, ip),
			netlink.LinkSetUp(link))
	}))
	return inside
}
