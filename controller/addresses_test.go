package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// machine is a kernel that says what the test wants of addresses.
type machine struct {
	mu      sync.Mutex // guards the fields below
	own     []netip.Addr
	ranges  []netip.Prefix
	behind  map[netip.Addr]bool
	err     error
	changed func()
}

func (m *machine) Addresses() ([]netip.Addr, []netip.Prefix, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.own), slices.Clone(m.ranges), m.err
}

func (m *machine) Behind(addrs []netip.Addr) ([]netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		return !m.behind[a]
	}), m.err
}

func (m *machine) Watch(ctx context.Context, changed func()) error {
	m.mu.Lock()
	m.changed = changed
	m.mu.Unlock()
	changed()
	<-ctx.Done()
	return nil
}

// change changes what the machine says, and tells of it.
func (m *machine) change(do func()) {
	m.mu.Lock()
	do()
	changed := m.changed
	m.mu.Unlock()
	if changed != nil { // else Watch has not begun, and reports when it does
		changed()
	}
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func onNode(node, name, address string) graph.Event {
	return graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "default", Name: name},
		Node: node, Addrs: []netip.Addr{addr(address)}}}
}

func nodeWith(name, cidr string, addrs ...netip.Addr) graph.Event {
	n := policy.Node{Name: name, Addrs: addrs}
	if cidr != "" {
		n.CIDRs = []netip.Prefix{netip.MustParsePrefix(cidr)}
	}
	return graph.NodeSet{Node: n}
}

const isolated = "dispatch ingress 10.244.1.5"

// A pod that is gone from the API is isolated as long as its address is behind its interface, also
// while the kernel does not answer, and no longer.
func TestDepartedPodStaysIsolated(t *testing.T) {
	k, m, source := &kernel{}, &machine{behind: map[netip.Addr]bool{addr("10.244.1.5"): true}},
		make(script)
	ctl := start(t, Config{Firewall: k, Source: source, Addresses: m, HostWatcher: m})
	source <- Mail{Synced: true, Events: []graph.Event{nodeWith("n1", "10.244.1.0/24"),
		onNode("n1", "web", "10.244.1.5"), graph.PolicySet{Policy: deny("default", "deny")}}}
	eventually(t, "it is isolated", func() bool { return strings.Contains(k.program(), isolated) })
	m.change(func() { m.err = errors.New("no answer") })
	source <- Mail{Events: []graph.Event{graph.PodGone{Key: policy.Key{Namespace: "default",
		Name: "web"}}}}
	eventually(t, "the node is not ready, since the kernel does not answer", func() bool {
		return strings.Contains(ctl.Health.Readiness().Reasons["addresses"], "no answer")
	})
	if !strings.Contains(k.program(), isolated) {
		t.Error("not isolated any more, though nobody has said that its address is gone")
	}
	m.change(func() { m.err = nil })
	eventually(t, "it is ready", func() bool { return ctl.Health.Readiness().Ready })
	if !strings.Contains(k.program(), isolated) {
		t.Error("not isolated any more, though its address is behind its interface")
	}
	m.change(func() { clear(m.behind) })
	eventually(t, "it is forgotten", func() bool {
		return !strings.Contains(k.program(), "10.244.1.5")
	})
}

// A strict node closes before anybody has said which pods there are, again when a range appears,
// and takes nothing of what it finds away.
func TestStrictNodeClosesAtOnce(t *testing.T) {
	k, m, source := &kernel{}, &machine{ranges: []netip.Prefix{netip.MustParsePrefix(
		"10.244.1.0/24")}}, make(script)
	known := ruleset.StrictSets([]netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")},
		[]netip.Addr{addr("10.9.0.5")})
	if err := k.memory.Apply(t.Context(), ruleset.Delta{Clear: true, Frame: true, Strict: true,
		AddSets: known}); err != nil {
		t.Fatal(err)
	}
	ctl := start(t, Config{Firewall: k, Source: source, Addresses: m, HostWatcher: m,
		DenyUnknown: true})
	for _, want := range []string{"10.244.1.0/24", "10.9.0.0/24", "10.9.0.5"} {
		eventually(t, want+" is there", func() bool { return strings.Contains(k.program(), want) })
	}
	m.change(func() { m.ranges = append(m.ranges, netip.MustParsePrefix("fd00:1::/64")) })
	eventually(t, "the other range is there", func() bool {
		return strings.Contains(k.program(), "fd00:1::/64")
	})
	if ctl.Health.Readiness().Ready {
		t.Error("ready, though nobody has said anything")
	}
	source <- Mail{Events: []graph.Event{onNode("n1", "web", "10.244.1.5")}}
	source <- Mail{Synced: true, Blind: true, Complaints: map[string]string{"policies": "unread"}}
	eventually(t, "it is blind", func() bool {
		return ctl.Health.Readiness().Reasons["source"] != ""
	})
	if strings.Contains(k.program(), "10.244.1.5") {
		t.Error("a pod is known before its policies")
	}
	source <- Mail{Complaints: map[string]string{}}
	eventually(t, "it is known", func() bool { return strings.Contains(k.program(), "10.244.1.5") })
	if text := k.program(); !strings.Contains(text, "10.244.1.0/24") ||
		strings.Contains(text, "10.9.0.5") {
		t.Errorf("after all was read:\n%s", text)
	}
}

// Rules that let unknown pods through, as an agent with --unknown-pods=allow leaves them, stay
// until it is known which pods there are: else all that run would be cut off for as long as the API
// server is away.
func TestStrictNodeLeavesWholeRulesThatAreNot(t *testing.T) {
	k, source := &kernel{}, make(script)
	m := &machine{ranges: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}
	if err := k.memory.Apply(t.Context(), ruleset.Delta{Clear: true, Frame: true}); err != nil {
		t.Fatal(err)
	}
	start(t, Config{Firewall: k, Source: source, Addresses: m, HostWatcher: m, DenyUnknown: true})
	source <- Mail{Events: []graph.Event{onNode("n1", "web", "10.244.1.5")}}
	source <- Mail{Complaints: map[string]string{"policies": "unread"}} // the one before was taken in
	if text := k.program(); strings.Contains(text, "10.244.1.0/24") {
		t.Errorf("unknown pods are denied:\n%s", text)
	}
	source <- Mail{Synced: true, Complaints: map[string]string{}}
	eventually(t, "it is strict, and the pod is known", func() bool {
		return strings.Contains(k.program(), "10.244.1.0/24") && strings.Contains(k.program(), "10.244.1.5")
	})
}

// sentry is a Guard of rules that anybody can change.
type sentry struct{ watched chan func() }

func (sentry) Owned() bool                             { return false }
func (sentry) Untouched(context.Context) (bool, error) { return false, nil }

func (s sentry) Watch(ctx context.Context, changed func()) error {
	select {
	case s.watched <- changed:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// What denies unknown pods is watched before anybody has said which pods there are.
func TestStrictNodeIsWatchedAtOnce(t *testing.T) {
	k, guard := &kernel{}, sentry{make(chan func())}
	m := &machine{ranges: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}
	start(t, Config{Firewall: k, Source: make(script), Addresses: m, HostWatcher: m, DenyUnknown: true,
		Guard: guard, Recheck: time.Hour})
	changed := <-guard.watched
	k.mu.Lock()
	k.memory = ruleset.Memory{}
	k.mu.Unlock()
	changed()
	eventually(t, "it is repaired", func() bool { return strings.Contains(k.program(), "10.244.1.0/24") })
}

// Where nothing but the host tells of ranges, it is said as soon as it tells of none, or of some
// again.
func TestLostRangeIsSaid(t *testing.T) {
	ranges := []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}
	k, m, source := &kernel{}, &machine{ranges: ranges}, make(script)
	c := start(t, Config{Firewall: k, Source: source, Addresses: m, HostWatcher: m, DenyUnknown: true})
	source <- Mail{Synced: true, Events: []graph.Event{nodeWith("n1", ""),
		onNode("n1", "web", "10.244.1.5")}}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	for _, has := range [][]netip.Prefix{nil, ranges, nil} {
		m.change(func() { m.ranges = has })
		eventually(t, fmt.Sprint("it is said, with ranges ", has), func() bool {
			return (c.Health.Readiness().Reasons["unknown-pods"] == "") == (len(has) > 0)
		})
	}
}

// Claims are told in /readyz, as a metric, and not for longer than they last.
func TestDisputesAreTold(t *testing.T) {
	source := make(script)
	ctl := start(t, Config{Firewall: &kernel{}, Source: source})
	source <- Mail{Synced: true, Events: []graph.Event{
		nodeWith("n1", "10.244.1.0/24"), nodeWith("n2", "10.244.2.0/24", addr("10.244.1.5")),
		onNode("n1", "web", "10.244.1.5"), onNode("n2", "thief", "10.244.1.5"),
	}}
	const want = "claimed by pod default/thief of node n2, pod default/web of node n1, node n2; " +
		"it is in the pod range of node n1"
	eventually(t, "it is told", func() bool {
		return ctl.Health.Readiness().Warnings["address 10.244.1.5"] == want
	})
	metric := func() string {
		answer := httptest.NewRecorder()
		ctl.Health.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	if !strings.Contains(metric(), "picket_disputed_addresses 1\n") {
		t.Errorf("the metric says:\n%s", metric())
	}
	source <- Mail{Events: []graph.Event{graph.PodGone{Key: policy.Key{Namespace: "default",
		Name: "thief"}}, nodeWith("n2", "10.244.2.0/24")}}
	eventually(t, "it is over", func() bool { return len(ctl.Health.Readiness().Warnings) == 0 })
	if !strings.Contains(metric(), "picket_disputed_addresses 0\n") {
		t.Error("the metric goes on")
	}
}

// Of many disputes some are told one by one, and how many there are.
func TestManyDisputesAreCounted(t *testing.T) {
	source := make(script)
	ctl := start(t, Config{Firewall: &kernel{}, Source: source})
	mail := Mail{Synced: true, Events: []graph.Event{nodeWith("n1", "10.244.1.0/24")}}
	for i := range 300 {
		mail.Events = append(mail.Events, onNode("n1", "p"+
			netip.AddrFrom4([4]byte{0, 0, byte(i >> 8), byte(i)}).String(),
			netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)}).String()))
	}
	source <- mail
	eventually(t, "they are counted", func() bool {
		return strings.HasPrefix(ctl.Health.Readiness().Warnings["address and more"],
			"300 addresses")
	})
	if told := len(ctl.Health.Readiness().Warnings); told != mostDisputes+1 {
		t.Errorf("%d are told", told)
	}
}

// A name of no Node keeps the node from being ready; one that was there before does not.
func TestNodeThatIsNotThere(t *testing.T) {
	source := make(script)
	ctl := start(t, Config{Firewall: &kernel{}, Source: source})
	source <- Mail{Synced: true, Events: []graph.Event{nodeWith("n2", ""), nodeWith("n3", "")}}
	eventually(t, "it says which there are", func() bool {
		return ctl.Health.Readiness().Reasons["node"] == "no Node is called n1 (--node-name); "+
			"there are 2: n2, n3"
	})
	source <- Mail{Events: []graph.Event{nodeWith("n1", "")}}
	eventually(t, "it is there", func() bool { return ctl.Health.Readiness().Ready })
	source <- Mail{Events: []graph.Event{graph.NodeGone{Name: "n1"}}}
	eventually(t, "it is gone", func() bool {
		state := ctl.Health.Readiness()
		return state.Ready && strings.Contains(state.Warnings["node object"], "there are 2: n2, n3")
	})
}

// A change of the node's own addresses has the connections with these ends isolated anew, but not
// before it is known what is allowed.
func TestChangeOfOwnAddressesIsReviewed(t *testing.T) {
	w, m, source := newWire("10.244.1.7"), &machine{own: []netip.Addr{addr("10.77.0.11")}},
		make(script)
	start(t, Config{Firewall: &kernel{}, Source: source, Addresses: m, HostWatcher: m,
		Connections: w, Cutter: w, DenyUnknown: true})
	looks := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks
	}
	eventually(t, "it listens", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.changed != nil
	})
	m.change(func() { m.own = append(m.own, addr("10.244.1.5")) })
	time.Sleep(3 * reviewDelay)
	if looks() > 0 {
		t.Fatal("connections are isolated before it is known what is allowed")
	}
	source <- Mail{Synced: true, Events: []graph.Event{nodeWith("n1", "10.244.1.0/24"),
		onNode("n1", "web", "10.244.1.5"), onNode("n1", "cli", "10.244.1.7"),
		graph.PolicySet{Policy: deny("default", "deny")}}}
	eventually(t, "all are isolated once", func() bool { return looks() > 0 })
	before := looks()
	m.change(func() { m.own = m.own[:1] })
	eventually(t, "what was open to an address that was the node's is cut", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks > before && w.held[toWeb("10.244.1.7").Flow()]
	})
}
