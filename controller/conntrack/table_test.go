package conntrack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

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

// opened is what the kernel remembers: client to service, server to what it takes the client for.
type opened struct {
	client, service, server, seen string
	proto                         uint8
}

func (e opened) add(t testing.TB) {
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
	if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.InetFamily(flow.FamilyType),
		&flow); err != nil {
		t.Fatalf("%v: %v", e, err)
	}
}

func everything(ruleset.Connection) bool { return true }

// stay leaves all connections alone and notes them.
func stay(texts *[]string) ruleset.DecideFates {
	return func(list []ruleset.Connection) ([]ruleset.Fate, error) {
		for _, c := range list {
			*texts = append(*texts, c.String())
		}
		return make([]ruleset.Fate, len(list)), nil
	}
}

func list(t testing.TB, table *Table, keep func(ruleset.Connection) bool) []string {
	t.Helper()
	var texts []string
	if err := table.Review(t.Context(), keep, stay(&texts)); err != nil {
		t.Fatal(err)
	}
	slices.Sort(texts)
	return texts
}

func TestBothEndsAreWhatTheForwardHookSees(t *testing.T) {
	table := newTable(t)
	if got := list(t, table, everything); len(got) > 0 {
		t.Fatalf("in a new namespace: %v", got)
	}
	for _, e := range []opened{
		// plain
		{"10.1.0.5:40000", "10.1.0.7:80", "10.1.0.7:80", "10.1.0.5:40000", unix.IPPROTO_TCP},
		// a Service
		{"10.1.0.5:40001", "10.96.0.1:443", "10.1.0.7:6443", "10.1.0.5:40001", unix.IPPROTO_TCP},
		// masqueraded
		{"10.1.0.5:40002", "9.9.9.9:53", "9.9.9.9:53", "192.0.2.1:61000", unix.IPPROTO_UDP},
		// a node port
		{"192.0.2.9:40003", "192.0.2.1:30080", "10.1.0.7:80", "192.0.2.1:61001", unix.IPPROTO_TCP},
		// IPv6
		{"[fd00::5]:40004", "[fd00:96::1]:53", "[fd00::7]:5353", "[fd00::5]:40004",
			unix.IPPROTO_UDP},
	} {
		e.add(t)
	}
	want := []string{
		"10.1.0.5:40000 > 10.1.0.7:80 tcp", "10.1.0.5:40001 > 10.1.0.7:6443 tcp",
		"10.1.0.5:40002 > 9.9.9.9:53 udp",
		"192.0.2.9:40003 > 10.1.0.7:80 tcp", "[fd00::5]:40004 > [fd00::7]:5353 udp",
	}
	if got := list(t, table, everything); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	kept := list(t, table, func(c ruleset.Connection) bool { return c.To.Port() == 80 })
	if !slices.Equal(kept, []string{want[0], want[3]}) {
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
	for _, e := range []opened{
		{"10.1.0.1:40000", "10.1.0.7:80", "10.1.0.7:80", "10.1.0.1:40000", unix.IPPROTO_TCP},
		{"10.1.0.7:40000", "10.1.0.1:22", "10.1.0.1:22", "10.1.0.7:40000", unix.IPPROTO_TCP},
		{"[fd00::1]:40000", "[fd00::7]:80", "[fd00::7]:80", "[fd00::1]:40000", unix.IPPROTO_UDP},
		{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP},
	} {
		e.add(t)
	}
	if got := list(t, table, everything); !slices.Equal(got,
		[]string{"10.1.0.5:1 > 10.1.0.7:2 udp"}) {
		t.Errorf("got %q", got)
	}
}

// What ends is gone, nothing else is, and more than are handed over at once are.
func TestWhatEndsIsGone(t *testing.T) {
	table := newTable(t)
	const count = 2*atOnce + 10
	for i := range count {
		client := fmt.Sprintf("10.1.%d.%d:40000", i>>8, i&255)
		opened{client, "10.96.0.1:53", "10.200.0.1:53", client, unix.IPPROTO_UDP}.add(t)
	}
	odd := func(c ruleset.Connection) bool { return c.From.Addr().As4()[3]%2 == 1 }
	calls := 0
	err := table.Review(t.Context(), everything, func(list []ruleset.Connection) ([]ruleset.Fate,
		error) {
		calls++
		fates := make([]ruleset.Fate, len(list))
		for i, c := range list {
			fates[i] = map[bool]ruleset.Fate{true: ruleset.Ended, false: ruleset.Cut}[odd(c)]
		}
		return fates, nil
	})
	if err != nil || calls < 3 {
		t.Fatalf("%d calls, %v", calls, err)
	}
	if left := list(t, table, everything); len(left) != count/2 {
		t.Errorf("%d are left of %d", len(left), count)
	}
	if left := list(t, table, odd); len(left) > 0 {
		t.Errorf("not ended: %d", len(left))
	}
}

// What is cut leaves the table where a flowtable would go on forwarding it, and only there.
func TestWhatIsOffloadedEndsWhenItIsCut(t *testing.T) {
	table := newTable(t)
	opened{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP}.add(t)
	for _, offloaded := range []bool{false, true} {
		b := openEntries{asker: table.one, keep: everything,
			decide: func([]ruleset.Connection) ([]ruleset.Fate, error) {
				return []ruleset.Fate{ruleset.Cut}, nil
			}}
		if err := table.one.each(t.Context(), wholeTable()[0], b.take); err != nil ||
			len(b.entries) != 1 {
			t.Fatal(b.entries, err)
		}
		b.entries[0].offloaded = offloaded
		b.handOver()
		if left := len(list(t, table, everything)); b.err != nil || (left == 0) != offloaded {
			t.Errorf("offloaded %t: %d left, %v", offloaded, left, b.err)
		}
	}
	message := slices.Concat(make([]byte, header), []byte{8, 0, nl.CTA_STATUS, 0, 0, 0, 1 << 6, 8})
	if e, _ := parse(message); !e.offloaded {
		t.Errorf("not read from the status of an entry: %+v", e)
	}
}

// An error of who decides ends the look, and the next one works.
func TestAfterAnErrorOfTheReview(t *testing.T) {
	table := newTable(t)
	opened{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP}.add(t)
	fault := errors.New("no")
	err := table.Review(t.Context(), everything, func([]ruleset.Connection) ([]ruleset.Fate,
		error) {
		return []ruleset.Fate{ruleset.Ended}, fault
	})
	if !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if got := list(t, table, everything); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// After a dump that was left in the middle, or an answer that did not come in time, the next look
// works at once, in the same network namespace, whatever thread it is on.
func TestAfterAnErrorOfTheKernel(t *testing.T) {
	table := newTable(t)
	const count = 500 // more than one message
	for i := range count {
		client := fmt.Sprintf("10.1.%d.%d:40000", i>>8, i&255)
		opened{client, "10.96.0.1:53", "10.200.0.1:53", client, unix.IPPROTO_UDP}.add(t)
	}
	for socket, limit := range map[string]func(){
		"entries": func() { limitOf(table.all.entries, -time.Second) }, // is over
		"links":   func() { _ = table.all.links.SetSocketTimeout(time.Microsecond) },
	} {
		limit()
		entries, links := table.all.entries, table.all.links
		var err error
		// The kernel can be as quick as the shortest limit that links can have.
		for deadline := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(deadline); {
			err = table.Review(t.Context(), everything, stay(new([]string)))
		}
		if !errors.Is(err, unix.EAGAIN) {
			t.Fatalf("%s: got %v", socket, err)
		}
		// The same sockets would have time again.
		limitOf(entries, longest)
		_ = links.SetSocketTimeout(longest)
		var got []string
		done := make(chan error)
		go func() { done <- table.Review(context.Background(), everything, stay(&got)) }()
		if err := <-done; err != nil || len(got) != count {
			t.Errorf("after %s: %d connections, %v", socket, len(got), err)
		}
	}
	if _, receive := table.all.entries.Socket.GetTimeouts(); receive != longest {
		t.Errorf("the kernel has %s for an answer", receive)
	}
}

// Whoever closes the table does not wait for a look, which ends with an error then, as others do.
func TestCloseDuringALook(t *testing.T) {
	table := newTable(t)
	opened{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP}.add(t)
	looking, closed, done := make(chan bool, 9), make(chan bool), make(chan error)
	keep := func(ruleset.Connection) bool {
		looking <- true
		<-closed
		return true
	}
	go func() { done <- table.Review(context.Background(), keep, stay(new([]string))) }()
	<-looking
	table.Close()
	close(closed)
	if err := <-done; err == nil {
		t.Error("a look has ended without an error")
	}
	err := table.Review(t.Context(), everything, stay(new([]string)))
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("a look at a table that is closed: %v", err)
	}
}

func limitOf(s *nl.SocketHandle, d time.Duration) {
	limit := unix.NsecToTimeval(d.Nanoseconds())
	_ = s.Socket.SetReceiveTimeout(&limit)
}

// The kernel finds the connections with an address at either end, also behind a Service.
func TestReviewOfAnAddress(t *testing.T) {
	table := newTable(t)
	for _, e := range []opened{
		{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_UDP},
		{"10.1.0.9:1", "10.96.0.1:2", "10.1.0.5:2", "10.1.0.9:1", unix.IPPROTO_TCP},
		{"10.1.0.9:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.9:1", unix.IPPROTO_UDP},
		{"[fd00::5]:1", "[fd00::7]:2", "[fd00::7]:2", "[fd00::5]:1", unix.IPPROTO_UDP},
	} {
		e.add(t)
	}
	for end, want := range map[string][]string{
		"10.1.0.5": {"10.1.0.5:1 > 10.1.0.7:2 udp", "10.1.0.9:1 > 10.1.0.5:2 tcp"},
		"fd00::7":  {"[fd00::5]:1 > [fd00::7]:2 udp"},
		"10.1.0.1": nil,
	} {
		var got []string
		if err := table.ReviewOf(t.Context(), netip.MustParseAddr(end), stay(&got)); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("of %s: %q", end, got)
		}
	}
}

// What is over is not open, and looking changes nothing.
func TestEach(t *testing.T) {
	table := newTable(t)
	opened{"10.1.0.5:1", "10.1.0.7:2", "10.1.0.7:2", "10.1.0.5:1", unix.IPPROTO_TCP}.add(t)
	opened{"10.1.0.9:1", "10.96.0.1:2", "10.1.0.5:2", "10.1.0.9:1", unix.IPPROTO_UDP}.add(t)
	var got []string
	if err := table.Each(t.Context(), func(c ruleset.Connection) { got = append(got, c.String()) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{"10.1.0.5:1 > 10.1.0.7:2 tcp", "10.1.0.9:1 > 10.1.0.5:2 udp"}
	if !slices.Equal(got, want) || len(list(t, table, everything)) != 2 {
		t.Errorf("%q", got)
	}
	for state, over := range map[uint8]bool{nl.TCP_CONNTRACK_ESTABLISHED: false,
		nl.TCP_CONNTRACK_TIME_WAIT: true, nl.TCP_CONNTRACK_CLOSE: true} {
		tcp := []byte{5, 0, ctaProtoinfoTCPState, 0, state, 0, 0, 0}
		if info := append([]byte{12, 0, ctaProtoinfoTCP, 0}, tcp...); isOver(info) != over {
			t.Errorf("state %d: over %t", state, !over)
		}
	}
}

// fill makes a table of 100,000 entries.
func fill(b *testing.B) *Table {
	table := newTable(b)
	for i := range 100_000 {
		client := fmt.Sprintf("10.%d.%d.%d:%d", 1+i>>16, i>>8&255, i&255, 1024+i%60000)
		opened{client, "10.200.0.1:80", "10.200.0.1:80", client, unix.IPPROTO_UDP}.add(b)
	}
	return table
}

// A look at a table of 100,000 entries, of which a few are wanted.
func BenchmarkReview(b *testing.B) {
	table, wanted := fill(b), netip.MustParseAddr("10.1.7.7")
	b.ReportAllocs()
	for b.Loop() {
		if got := list(b, table, func(c ruleset.Connection) bool {
			return c.From.Addr() == wanted
		}); len(got) != 1 {
			b.Fatalf("%d connections", len(got))
		}
	}
}

// The same for what one address has open.
func BenchmarkReviewOf(b *testing.B) {
	table, wanted := fill(b), netip.MustParseAddr("10.1.7.7")
	b.ReportAllocs()
	for b.Loop() {
		var got []string
		if err := table.ReviewOf(b.Context(), wanted, stay(&got)); err != nil || len(got) != 1 {
			b.Fatal(got, err)
		}
	}
}
