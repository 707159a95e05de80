package host

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func prefixes(list ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range list {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return parsed
}

// The node's own addresses are those of its interfaces, never its pods'; ranges are told by the
// bridge of its pods and by the tunnels of flannel, as long as those of other nodes, and by nobody
// else.
func TestAddresses(t *testing.T) {
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/25")
	up(t, &netlink.Bridge{LinkAttrs: named("docker0")}, "172.17.0.1/16")
	up(t, &netlink.Bridge{LinkAttrs: named("mine0")}, "10.244.3.1/26")
	up(t, &netlink.Veth{LinkAttrs: named("eth0"), PeerName: "wire"}, "192.0.2.2/24")
	up(t, &netlink.Veth{LinkAttrs: named("flannel.1"), PeerName: "end"}, "10.244.3.0/32")
	cni0, err := netlink.LinkByName("cni0")
	must(t, err)
	plug(t, cni0, "veth5", "10.244.1.5/25")
	own, ranges, err := (&Host{}).Addresses()
	must(t, err)
	if diff := cmp.Diff(addrs("10.244.1.1 10.244.3.0 10.244.3.1 172.17.0.1 192.0.2.2"), own,
		compareAddrs); diff != "" {
		t.Errorf("own (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(prefixes("10.244.1.0/25", "10.244.3.0/24", "10.244.3.0/26"), ranges,
		comparePrefixes); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	flannel, err := netlink.LinkByName("flannel.1")
	must(t, err)
	other := netip.MustParseAddr("10.244.7.0")
	route := &netlink.Route{LinkIndex: flannel.Attrs().Index, Gw: other.AsSlice(),
		Dst: netlink.NewIPNet(other.AsSlice()), Flags: int(netlink.FLAG_ONLINK)}
	route.Dst.Mask = []byte{255, 255, 255, 192}
	end, err := netlink.LinkByName("end")
	must(t, err)
	must(t, netlink.LinkSetUp(end))
	must(t, netlink.RouteAdd(route))
	_, ranges, err = (&Host{}).Addresses()
	must(t, err)
	if !slices.Contains(ranges, netip.MustParsePrefix("10.244.3.0/26")) ||
		slices.Contains(ranges, netip.MustParsePrefix("10.244.3.0/24")) {
		t.Errorf("beside a node with /26 the range is one of %v", ranges)
	}
}

// A list of addresses that was interrupted by changes is made anew, a few times; another error counts
// at once.
func TestInterruptedListIsMadeAnew(t *testing.T) {
	for _, test := range []struct {
		fails  int // calls for each family
		err    error
		calls  int // that are made
		listed int
	}{
		{dumps - 1, netlink.ErrDumpInterrupted, 2 * dumps, 2},
		{dumps, netlink.ErrDumpInterrupted, dumps, 0},
		{1, unix.EPERM, 1, 0},
	} {
		calls, failed := 0, map[int]int{}
		all, err := listAddrs(func(family int) ([]netlink.Addr, error) {
			calls++
			if failed[family]++; failed[family] <= test.fails {
				return make([]netlink.Addr, 9), test.err
			}
			return make([]netlink.Addr, 1), nil
		})
		if calls != test.calls || len(all) != test.listed || (err == nil) != (test.listed > 0) {
			t.Errorf("%+v: %d calls, %d addresses, %v", test, calls, len(all), err)
		}
	}
}

func TestSubnetFile(t *testing.T) {
	text := "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_IPV6_SUBNET=fd00:1::1/64\nFLANNEL_MTU=1450\nFLANNEL_SUBNET=nonsense\n"
	if diff := cmp.Diff(prefixes("10.244.1.0/24", "fd00:1::/64"), subnetsIn([]byte(text)),
		comparePrefixes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An address is behind an interface while the other end of a veth has it, on a bridge or not.
func TestBehind(t *testing.T) {
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	cni0, err := netlink.LinkByName("cni0")
	must(t, err)
	plug(t, cni0, "veth5", "10.244.1.5/24", "fd00::5/64")
	want := func(list string) {
		t.Helper()
		got, err := (&Host{}).Behind(addrs("10.244.1.5 10.244.1.6 10.244.1.1 8.8.8.8 fd00::5"))
		must(t, err)
		if diff := cmp.Diff(addrs(list), got, compareAddrs); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want("10.244.1.5 fd00::5")
	veth5, err := netlink.LinkByName("veth5")
	must(t, err)
	must(t, netlink.LinkSetNoMaster(veth5))
	want("10.244.1.5 fd00::5")
	must(t, netlink.LinkDel(veth5))
	got, err := (&Host{}).Behind(addrs("10.244.1.5"))
	if must(t, err); len(got) > 0 {
		t.Errorf("%v is behind what is gone", got)
	}
}
