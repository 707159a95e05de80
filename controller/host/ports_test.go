package host

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// plug makes a network namespace with eth0, on a bridge by the port.
func plug(t *testing.T, bridge netlink.Link, portName string, addrs ...string) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	defer home.Close()
	pod, err := netns.New()
	must(t, err)
	t.Cleanup(func() { _ = pod.Close() })
	must(t, netns.Set(home))
	veth := &netlink.Veth{LinkAttrs: named(portName), PeerName: "eth0",
		PeerNamespace: netlink.NsFd(int(pod))}
	veth.MasterIndex = bridge.Attrs().Index
	must(t, netlink.LinkAdd(veth))
	in, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer in.Close()
	eth0, err := in.LinkByName("eth0")
	must(t, err)
	for _, text := range addrs {
		addAddr(t, in, eth0, text)
	}
	must(t, in.LinkSetUp(eth0))
	return pod
}

func addAddr(t *testing.T, in *netlink.Handle, link netlink.Link, text string) {
	t.Helper()
	addr, err := netlink.ParseAddr(text)
	must(t, err)
	must(t, in.AddrAdd(link, addr))
}

func wantPorts(t *testing.T, h *Host, pods string, want ...ruleset.Port) {
	t.Helper()
	w, err := h.Prepare(addrs(pods))
	must(t, err)
	for i := range w.Ports {
		if len(w.Ports[i].Addrs) > 0 && w.Ports[i].MAC == (ruleset.MAC{}) {
			t.Errorf("%s: no MAC address", w.Ports[i].Link)
		}
		w.Ports[i].MAC = ruleset.MAC{}
	}
	if diff := cmp.Diff(want, w.Ports, compareAddrs); diff != "" {
		t.Errorf("ports of %s (-want +got):\n%s", pods, diff)
	}
}

func onPort(link, list string) ruleset.Port { return ruleset.Port{Link: link, Addrs: addrs(list)} }

// The kernel tells which pod is behind which port, and a pod that takes another's address does not
// get it.
func TestPortsFindsWhoIsBehindEach(t *testing.T) {
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	bridge, err := netlink.LinkByName("cni0")
	must(t, err)
	h := &Host{}
	wantPorts(t, h, "")
	five, both := []string{"10.244.1.5/24", "fd00::5/64"}, "10.244.1.5 fd00::5"
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		five, both = five[:1], "10.244.1.5"
	}
	plug(t, bridge, "veth5", five...)
	six := plug(t, bridge, "veth6", "10.244.1.6/24")
	plug(t, bridge, "veth7", "10.244.1.7/24")
	wantPorts(t, h, both+" 10.244.1.6 10.244.1.9",
		onPort("veth5", both), onPort("veth6", "10.244.1.6"), onPort("veth7", ""))

	in, err := netlink.NewHandleAt(six)
	must(t, err)
	defer in.Close()
	eth0, err := in.LinkByName("eth0")
	must(t, err)
	addAddr(t, in, eth0, "10.244.1.7/24")
	wantPorts(t, h, "10.244.1.6 10.244.1.7", onPort("veth5", ""), onPort("veth6", "10.244.1.6"),
		onPort("veth7", "10.244.1.7"))

	// A new pod under an old name, and an address that moves on.
	veth5, err := netlink.LinkByName("veth5")
	must(t, err)
	must(t, netlink.LinkDel(veth5))
	plug(t, bridge, "veth5", "10.244.1.8/24")
	plug(t, bridge, "veth9", "10.244.1.5/24")
	wantPorts(t, h, "10.244.1.5 10.244.1.8", onPort("veth5", "10.244.1.8"), onPort("veth6", ""),
		onPort("veth7", ""), onPort("veth9", "10.244.1.5"))
	wantPorts(t, h, "")
}

// A pod that was looked at between its first address and its second has both once the second is
// asked for, and none that another port was seen with before.
func TestPortsLearnsTheSecondAddress(t *testing.T) {
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	bridge, err := netlink.LinkByName("cni0")
	must(t, err)
	h := &Host{}
	pod := plug(t, bridge, "veth5", "10.244.1.5/24")
	plug(t, bridge, "veth6", "10.244.1.6/24")
	wantPorts(t, h, "10.244.1.5 10.244.1.6", onPort("veth5", "10.244.1.5"),
		onPort("veth6", "10.244.1.6"))
	in, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer in.Close()
	eth0, err := in.LinkByName("eth0")
	must(t, err)
	for _, text := range []string{"fd00::5/64", "10.244.1.6/24"} {
		addAddr(t, in, eth0, text)
	}
	wantPorts(t, h, "10.244.1.5 10.244.1.6 fd00::5", onPort("veth5", "10.244.1.5 fd00::5"),
		onPort("veth6", "10.244.1.6"))
}

// A port of which the kernel did not tell in time is read at the next look, whatever is missing then.
func TestPortThatWasNotReadIsReadAgain(t *testing.T) {
	h, p := &Host{incomplete: "another port took too long"}, &port{}
	if must(t, h.lookBehind("veth1", p)); !p.unread {
		t.Error("it counts as read")
	}
	newNetns(t)
	h.incomplete = ""
	p.far.namespace = 1 << 20 // which is gone
	if must(t, h.lookBehind("veth1", p)); p.unread || h.incomplete != "" {
		t.Errorf("it does not count as read: %q", h.incomplete)
	}
}
