package host

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset/pace"
)

// speed scales limits, so that a slow machine is not taken for a fault.
var speed = pace.Measure()

// attachment is a way to attach the pod 10.5.0.5 to the node, which has the interface lower with
// 10.5.0.1/24, unless the attachment itself takes over.
type attachment struct {
	name   string
	attach func(t *testing.T, pod netns.NsHandle)
	hidden []string           // words of the reason; none: its packets are shown to pass
	mend   func(t *testing.T) // what people do then; nil: nothing helps
}

func attachments() []attachment {
	return []attachment{
		{name: "bridge", attach: func(t *testing.T, pod netns.NsHandle) {
			onBridge(t, pod, &netlink.Bridge{LinkAttrs: named("br1")}, "10.5.0.1/24")
		}},
		{name: "veth with a route", attach: func(t *testing.T, pod netns.NsHandle) {
			moveIn(t, pod, &netlink.Veth{LinkAttrs: named("veth5"), PeerName: "in5"}, "in5")
			hostRoute(t, "veth5")
		}},
		{
			name: "veth without a route",
			attach: func(t *testing.T, pod netns.NsHandle) {
				lower(t)
				moveIn(t, pod, &netlink.Veth{LinkAttrs: named("veth5"), PeerName: "in5"}, "in5")
			},
			hidden: []string{"the way to it is lower, of kind veth", "attach the pod"},
			mend:   func(t *testing.T) { hostRoute(t, "veth5") },
		},
		{
			name: "macvlan",
			attach: func(t *testing.T, pod netns.NsHandle) {
				moveIn(t, pod, &netlink.Macvlan{LinkAttrs: on(lower(t)),
					Mode: netlink.MACVLAN_MODE_BRIDGE}, "in5")
			},
			hidden: []string{"its interface in5 is of kind macvlan", "the way to it is lower"},
		},
		{
			name: "ipvlan",
			attach: func(t *testing.T, pod netns.NsHandle) {
				moveIn(t, pod, &netlink.IPVlan{LinkAttrs: on(lower(t))}, "in5")
			},
			hidden: []string{"its interface in5 is of kind ipvlan", "the way to it is lower"},
		},
		{
			name: "an interface of the node that was moved, like those of SR-IOV",
			attach: func(t *testing.T, pod netns.NsHandle) {
				lower(t)
				moveIn(t, pod, &netlink.Tuntap{LinkAttrs: named("in5"),
					Mode: netlink.TUNTAP_MODE_TAP}, "in5")
			},
			hidden: []string{"its interface in5 is of kind tun", "the way to it is lower"},
		},
		{
			name: "bridge without an address",
			attach: func(t *testing.T, pod netns.NsHandle) {
				onBridge(t, pod, &netlink.Bridge{LinkAttrs: named("br1")}, "")
			},
			hidden: []string{"br1, a bridge that this node has no address on",
				"ip address add ADDRESS dev br1"},
			mend: func(t *testing.T) {
				br1, err := netlink.LinkByName("br1")
				must(t, err)
				addAddr(t, &netlink.Handle{}, br1, "10.5.0.1/24")
			},
		},
		{
			name: "bridge with vlan_filtering",
			attach: func(t *testing.T, pod netns.NsHandle) {
				bridge := &netlink.Bridge{LinkAttrs: named("br1")}
				onBridge(t, pod, bridge, "10.5.0.1/24")
				filterVLANs(t, bridge, true)
			},
			hidden: []string{"br1, a bridge with vlan_filtering",
				"ip link set br1 type bridge vlan_filtering 0"},
			mend: func(t *testing.T) {
				br1, err := netlink.LinkByName("br1")
				must(t, err)
				filterVLANs(t, br1, false)
			},
		},
		{
			name:   "nothing",
			attach: func(*testing.T, netns.NsHandle) {},
			hidden: []string{"no interface of this node leads to it", "attach the pod"},
		},
		{
			name: "nothing, where a bridge has a route to it",
			attach: func(t *testing.T, _ netns.NsHandle) {
				up(t, &netlink.Bridge{LinkAttrs: named("br1")}, "10.5.0.1/24")
			},
		},
	}
}

// A pod's packets are shown to pass a hook, or the reason is told why not, until somebody mends it.
func TestHiddenPods(t *testing.T) {
	for _, test := range attachments() {
		t.Run(test.name, func(t *testing.T) {
			newNetns(t)
			node := nodeOf(t)
			pod, err := netns.New()
			must(t, err)
			t.Cleanup(func() { _ = pod.Close() })
			must(t, netns.Set(node))
			test.attach(t, pod)
			h := &Host{}
			wantHidden(t, h, test.hidden)
			if test.mend != nil {
				test.mend(t)
				wantHidden(t, h, nil)
			}
		})
	}
}

func wantHidden(t *testing.T, h *Host, words []string) {
	t.Helper()
	w, err := h.Prepare(addrs("10.5.0.5"))
	must(t, err)
	reason, hidden := w.Hidden[netip.MustParseAddr("10.5.0.5")]
	if hidden != (words != nil) {
		t.Fatalf("hidden: %t, %q", hidden, reason)
	}
	for _, word := range words {
		if !strings.Contains(reason, word) {
			t.Errorf("%q is not in %q", word, reason)
		}
	}
}

// The kernel's news of interfaces, addresses and routes, and a switch that is turned off, are
// reported.
func TestWatch(t *testing.T) {
	newNetns(t)
	h, reports := &Host{}, make(chan bool, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	node := nodeOf(t)
	must(t, h.Filter())
	go func() {
		ended <- inNamespace(node, func() error { return h.Watch(ctx, func() { reports <- true }) })
	}()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	select {
	case <-reports: // it listens
	case <-time.After(speed.Limit(5 * time.Second)):
		t.Fatal("it does not say that it listens")
	}
	for what, change := range map[string]func(){
		"interface": func() { up(t, &netlink.Bridge{LinkAttrs: named("br1")}, "") },
		"address":   func() { addAddr(t, &netlink.Handle{}, linkNamed(t, "lo"), "192.0.2.1/32") },
		"switch": func() {
			must(t, os.WriteFile("/proc/sys/"+bridgeSwitches[0], []byte("0"), 0))
		},
	} {
		for len(reports) > 0 {
			<-reports
		}
		change()
		select {
		case <-reports:
		case <-time.After(speed.Limit(time.Second)):
			t.Errorf("%s: no report within a second, as a usual machine counts", what)
		}
		time.Sleep(2 * switchesEvery) // for what else comes of it
	}
	// The kernel has more to say of a new interface, for some seconds: its own addresses of IPv6.
	for deadline := time.Now().Add(speed.Limit(20 * time.Second)); ; {
		select {
		case <-reports:
		case <-time.After(4 * switchesEvery):
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("reports of nothing")
		}
	}
}

// nodeOf is the namespace of the calling thread.
func nodeOf(t *testing.T) netns.NsHandle {
	t.Helper()
	node, err := netns.Get()
	must(t, err)
	t.Cleanup(func() { _ = node.Close() })
	return node
}

// inNamespace runs f on a thread of its own, which ends with it.
func inNamespace(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func linkNamed(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	return link
}

// lower makes the interface that others hang on.
func lower(t *testing.T) netlink.Link {
	t.Helper()
	up(t, &netlink.Veth{LinkAttrs: named("lower"), PeerName: "wire"}, "10.5.0.1/24")
	must(t, netlink.LinkSetUp(linkNamed(t, "wire")))
	return linkNamed(t, "lower")
}

// on are the attributes of in5 on another interface.
func on(parent netlink.Link) netlink.LinkAttrs {
	attrs := named("in5")
	attrs.ParentIndex = parent.Attrs().Index
	return attrs
}

// moveIn makes an interface and moves it, or its end of that name, into a pod with the pod's
// address.
func moveIn(t *testing.T, pod netns.NsHandle, link netlink.Link, name string) {
	t.Helper()
	if err := netlink.LinkAdd(link); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: this kernel has no %s", link.Type())
	} else {
		must(t, err)
	}
	must(t, netlink.LinkSetUp(link))
	must(t, netlink.LinkSetNsFd(linkNamed(t, name), int(pod)))
	in, err := netlink.NewHandleAt(pod)
	must(t, err)
	defer in.Close()
	inside, err := in.LinkByName(name)
	must(t, err)
	addAddr(t, in, inside, "10.5.0.5/24")
	must(t, in.LinkSetUp(inside))
}

// filterVLANs sets vlan_filtering. The library sends all that it knows of the bridge along: its name,
// which kernels before 6.2 refuse while it is up, and what they refuse while it filters.
func filterVLANs(t *testing.T, bridge netlink.Link, on bool) {
	t.Helper()
	must(t, netlink.LinkSetDown(bridge))
	little := &netlink.Bridge{LinkAttrs: named(bridge.Attrs().Name)}
	little.Index = bridge.Attrs().Index
	if err := netlink.BridgeSetVlanFiltering(little, on); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("SKIPPED, NOTHING WAS TESTED: this kernel's bridges have no vlan_filtering")
	} else {
		must(t, err)
	}
	must(t, netlink.LinkSetUp(bridge))
}

// onBridge puts the pod on a bridge, which has an address or none.
func onBridge(t *testing.T, pod netns.NsHandle, bridge *netlink.Bridge, address string) {
	t.Helper()
	must(t, netlink.LinkAdd(bridge))
	must(t, netlink.LinkSetUp(bridge))
	if address != "" {
		addAddr(t, &netlink.Handle{}, bridge, address)
	}
	moveIn(t, pod, &netlink.Veth{LinkAttrs: named("veth5"), PeerName: "in5"}, "in5")
	must(t, netlink.LinkSetMaster(linkNamed(t, "veth5"), bridge))
}

func hostRoute(t *testing.T, link string) {
	t.Helper()
	must(t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: linkNamed(t, link).Attrs().Index, Scope: netlink.SCOPE_LINK,
		Dst: netlink.NewIPNet([]byte{10, 5, 0, 5}),
	}))
}
