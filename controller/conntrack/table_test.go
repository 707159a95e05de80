package conntrack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// newTable enters a fresh network namespace for the rest of the test and opens its table.
func newTable(t testing.TB) *Table {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) && os.Getenv("REQUIRE_KERNEL") != "1" {
			t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
		}
		t.Fatal(err)
	}
	table, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Close)
	return table
}

// entry is what the kernel remembers: client to service, server to what it takes the client for.
type entry struct {
	client, service, server, seen string
	proto                         uint8
}

func (e entry) add(t testing.TB) {
	t.Helper()
	end := func(s string) (net.IP, uint16) {
		a := netip.MustParseAddrPort(s)
		return a.Addr().AsSlice(), a.Port()
	}
	var flow netlink.ConntrackFlow
	flow.Forward.SrcIP, flow.Forward.SrcPort = end(e.client)
	flow.Forward.DstIP, flow.Forward.DstPort = end(e.service)
	flow.Reverse.SrcIP, flow.Reverse.SrcPort = end(e.server)
	flow.Reverse.DstIP, flow.Reverse.DstPort = end(e.seen)
	flow.FamilyType = unix.AF_INET
	if len(flow.Forward.SrcIP) == net.IPv6len {
		flow.FamilyType = unix.AF_INET6
	}
	flow.Forward.Protocol, flow.Reverse.Protocol, flow.TimeOut = e.proto, e.proto, 600
	if e.proto == unix.IPPROTO_TCP {
		flow.ProtoInfo = &netlink.ProtoInfoTCP{State: nl.TCP_CONNTRACK_ESTABLISHED}
	}
	if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.InetFamily(flow.FamilyType), &flow); err != nil {
		t.Fatalf("%v: %v", e, err)
	}
}

func everything(ruleset.Connection) bool { return true }

func list(t testing.TB, table *Table, keep func(ruleset.Connection) bool) []string {
	t.Helper()
	connections, err := table.List(t.Context(), keep)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range connections {
		texts = append(texts, c.String())
	}
	return texts
}

func TestBothEndsAreWhatTheForwardHookSees(t *testing.T) {
	table := newTable(t)
	if got := list(t, table, everything); len(got) > 0 {
		t.Fatalf("in a new namespace: %v", got)
	}
	for _, e := range []entry{
		{"10.1.0.5:40000", "10.1.0.7:80", "10.1.0.7:80", "10.1.0.5:40000", unix.IPPROTO_TCP},          // plain
		{"10.1.0.5:40001", "10.96.0.1:443", "10.1.0.7:6443", "10.1.0.5:40001", unix.IPPROTO_TCP},      // a Service
		{"10.1.0.5:40002", "9.9.9.9:53", "9.9.9.9:53", "192.0.2.1:61000", unix.IPPROTO_UDP},           // masqueraded
		{"192.0.2.9:40003", "192.0.2.1:30080", "10.1.0.7:80", "192.0.2.1:61001", unix.IPPROTO_TCP},    // a node port
		{"[fd00::5]:40004", "[fd00:96::1]:53", "[fd00::7]:5353", "[fd00::5]:40004", unix.IPPROTO_UDP}, // IPv6
	} {
		e.add(t)
	}
	want := []string{
		"10.1.0.5:40000 > 10.1.0.7:80 tcp", "10.1.0.5:40001 > 10.1.0.7:6443 tcp", "192.0.2.9:40003 > 10.1.0.7:80 tcp",
		"10.1.0.5:40002 > 9.9.9.9:53 udp", "[fd00::5]:40004 > [fd00::7]:5353 udp",
	}
	if got := list(t, table, everything); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	kept := list(t, table, func(c ruleset.Connection) bool { return c.To.Port() == 80 })
	if !slices.Equal(kept, []string{want[0], want[2]}) {
		t.Errorf("to port 80: %q", kept)
	}
}

// What begins or ends at an address of the node never passes the forward hook.
func TestTheNodesOwnConnectionsAreLeftOut(t *testing.T) {
	table := newTable(t)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"10.1.0.1/24", "fd00::1/64"} {
		a, err := netlink.ParseAddr(own)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.AddrAdd(lo, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []entry{
		{"10.1.0.1:40000", "10.1.0.7:80", "10.1.0.7:80", "10.1.0.1:40000", unix.IPPROTO_TCP},
		{"10.1.0.7:40000", "10.1.0.1:22", "10.1.0.1:22", "10.1.0.7:40000", unix.IPPROTO_TCP},
		{"[fd00::1]:40000", "[fd00::7]:80", "[fd00::7]:80", "[fd00::1]:40000", unix.IPPROTO_UDP},
		{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP},
	} {
		e.add(t)
	}
	if got := list(t, table, everything); !slices.Equal(got, []string{"10.1.0.5:1 > 10.1.0.7:2 udp"}) {
		t.Errorf("got %q", got)
	}
}

// A look at a table of 100,000 entries, of which a few are wanted.
func BenchmarkList(b *testing.B) {
	table := newTable(b)
	for i := range 100_000 {
		client := fmt.Sprintf("10.%d.%d.%d:%d", 1+i>>16, i>>8&255, i&255, 1024+i%60000)
		entry{client, "10.200.0.1:80", "10.200.0.1:80", client, unix.IPPROTO_UDP}.add(b)
	}
	wanted := netip.MustParseAddr("10.1.7.7")
	b.ReportAllocs()
	for b.Loop() {
		if got := list(b, table, func(c ruleset.Connection) bool { return c.From.Addr() == wanted }); len(got) != 1 {
			b.Fatalf("%d connections", len(got))
		}
	}
}
