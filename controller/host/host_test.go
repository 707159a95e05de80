package host

import (
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

// newNetns moves the test's thread into a fresh network namespace. A test that cannot have one is
// skipped; REQUIRE_KERNEL=1 makes that a failure.
func newNetns(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		if os.Getenv("REQUIRE_KERNEL") != "" {
			t.Fatalf("no network namespace: %v", err)
		}
		t.Skipf("SKIPPED, THE KERNEL IS NOT TESTED: no network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = fresh.Close()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// up adds an interface, with an address if there is one.
func up(t *testing.T, link netlink.Link, address string) {
	t.Helper()
	must(t, netlink.LinkAdd(link))
	if address != "" {
		addr, err := netlink.ParseAddr(address)
		must(t, err)
		must(t, netlink.AddrAdd(link, addr))
	}
	must(t, netlink.LinkSetUp(link))
}

func addrs(list string) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range strings.Fields(list) {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs
}

func named(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name} }

// Pods sit behind the bridge or the veth that leads to them, never behind the way out.
func TestPrepareFindsThePodsInterfaces(t *testing.T) {
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	up(t, &netlink.Veth{LinkAttrs: named("eth0"), PeerName: "wire"}, "192.0.2.2/24")
	up(t, &netlink.Veth{LinkAttrs: named("pod7"), PeerName: "pod7in"}, "")
	pod7, err := netlink.LinkByName("pod7")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: pod7.Attrs().Index,
		Scope: netlink.SCOPE_LINK, Dst: netlink.NewIPNet([]byte{10, 9, 0, 7})}))
	eth0, err := netlink.LinkByName("eth0")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index,
		Gw: []byte{192, 0, 2, 1}}))
	w,
		err := (&Host{}).Prepare(
		addrs("10.244.1.5 10.244.1.6 10.9.0.7 10.244.2.5 192.0.2.9 fd00::5"))
	must(t, err)
	want := []ruleset.Link{{Name: "cni0", Addrs: addrs("10.244.1.5 10.244.1.6")},
		{Name: "pod7", Addrs: addrs("10.9.0.7")}}
	if diff := cmp.Diff(want, w.Links, compareAddrs); diff != "" {
		t.Errorf("links (-want, +got):\n%s", diff)
	}
}

func TestPrepareSeesWhetherBridgesAreFiltered(t *testing.T) {
	newNetns(t)
	set := func(value string) {
		for _, name := range bridgeSwitches {
			must(t, os.WriteFile("/proc/sys/"+name, []byte(value), 0))
		}
	}
	set("0")
	h := &Host{}
	wantUnfiltered := func(want bool) {
		t.Helper()
		w, err := h.Prepare([]netip.Addr{netip.MustParseAddr("10.244.1.5")})
		must(t, err)
		if w.Unfiltered != want {
			t.Errorf("unfiltered: %t, want %t", w.Unfiltered, want)
		}
	}
	wantUnfiltered(false) // without a bridge
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	h = &Host{}
	for range 2 {
		set("0")
		wantUnfiltered(true)
		must(t, h.Filter())
		wantUnfiltered(false)
		for _, name := range bridgeSwitches {
			if value(t, name) != "1" {
				t.Errorf("%s is not switched on", name)
			}
		}
	}
}

func value(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/sys/" + name)
	must(t, err)
	return strings.TrimSpace(string(data))
}

// A switch that is missing or can't be set is an error that says what to do.
func TestSwitchThatCannotBeSet(t *testing.T) {
	for name, want := range map[string]string{
		"net/bridge/no-such-switch": "modprobe br_netfilter",
		"kernel/ostype":             "sysctl -w kernel.ostype=1",
	} {
		if err := switchOn(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
}
