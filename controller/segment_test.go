package controller

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// bridged is a host with one bridge, on which every pod has a port called by its address.
type bridged struct{ *surroundings }

// surroundings are what a test makes of the host.
type surroundings struct {
	mu         sync.Mutex // guards the fields below
	unfiltered bool
	refusal    error  // of Filter
	hidden     string // reason why the pod 10.244.1.5 is
	refused    string // reason why the port of nobody is
	shared     bool
	changed    func()
}

func (h bridged) Filtered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.unfiltered
}

func (h bridged) Prepare(pods []netip.Addr) (ruleset.Wiring, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := ruleset.Wiring{Links: []ruleset.Link{{Name: "cni0"}}, Unfiltered: h.unfiltered,
		Hidden: map[netip.Addr]string{}}
	if h.shared {
		w.Links[0].Shared, w.Routers = true, []string{"eth0"}
	}
	for _, a := range pods {
		w.Ports = append(w.Ports, ruleset.Port{Link: "veth-" + a.String(), Addrs: []netip.Addr{a}})
		if h.hidden != "" && a.String() == "10.244.1.5" {
			w.Hidden[a] = h.hidden
		}
	}
	if h.refused != "" {
		w.Ports = append(w.Ports, ruleset.Port{Link: "veth0", Refused: h.refused})
	}
	return w, nil
}

func (h bridged) Filter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unfiltered = h.refusal != nil
	return h.refusal
}

func (h bridged) Watch(ctx context.Context, changed func()) error {
	h.mu.Lock()
	h.changed = changed
	h.mu.Unlock()
	changed()
	<-ctx.Done()
	return nil
}

// change changes them and says so.
func (h bridged) change(f func(*surroundings)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.surroundings)
	if h.changed != nil { // else Watch has not begun, and reports when it does
		h.changed()
	}
}

// fence is a Separator that refuses the first attempts.
type fence struct {
	mu      sync.Mutex // guards the fields below
	refuse  int
	never   bool // it refuses all, as nothing that passes
	segment ruleset.Segment
}

func (f *fence) KeepsRouters() bool { return true }

func (f *fence) PutSegment(_ context.Context, s ruleset.Segment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.never {
		return errors.ErrUnsupported
	}
	if f.refuse--; f.refuse >= 0 {
		return errors.New("no bridges here")
	}
	f.segment = s
	return nil
}

func (f *fence) isolated() string {
	return f.portsThat(func(p ruleset.Port) bool { return p.Isolated })
}

func (f *fence) closed() string {
	return f.portsThat(func(p ruleset.Port) bool { return p.Closed })
}

func (f *fence) portsThat(are func(ruleset.Port) bool) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var links []string
	for _, p := range f.segment.Ports {
		if are(p) {
			links = append(links, p.Link)
		}
	}
	return strings.Join(links, " ")
}

func (f *fence) ports() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.segment.Ports)
}

// Pods are kept apart as they come and as policies select them; where that fails the node is ready,
// says what is wrong, and tries again.
func TestSegmentFollows(t *testing.T) {
	source, f := script(make(chan Mail)), &fence{refuse: 2}
	var inForce, early atomic.Bool
	c := start(t, Config{Source: source, Firewall: &kernel{}, Host: bridged{&surroundings{}},
		Separator: f, Recheck: time.Hour, InForce: func(context.Context) error {
			early.Store(f.ports() == 0)
			inForce.Store(true)
			return nil
		}})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "warned", func() bool {
		r := c.Health.Readiness()
		return r.Ready && strings.Contains(r.Warnings["bridge of pods"], "no bridges here")
	})
	eventually(t, "tried again", func() bool {
		return f.isolated() == "veth-10.244.1.5" && len(c.Health.Readiness().Warnings) == 0
	})
	// What another backend has left keeps pods apart until this one does.
	eventually(t, "all is said to be in force", inForce.Load)
	if early.Load() {
		t.Error("all was said to be in force before pods were kept apart")
	}
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("other", "10.244.1.6")}}}
	eventually(t, "a second pod", func() bool {
		return f.isolated() == "veth-10.244.1.5 veth-10.244.1.6"
	})
	source <- Mail{Events: []graph.Event{graph.PolicyGone{Key: deny("default", "deny").Key}}}
	eventually(t, "nothing is left to get around", func() bool { return f.ports() == 0 })
	source <- Mail{Events: []graph.Event{graph.PolicySet{Policy: deny("elsewhere", "deny")}}}
	eventually(t, "a policy anywhere", func() bool { return f.ports() == 2 && f.isolated() == "" })
}

// What an earlier agent has put on bridges goes where nothing belongs there any more.
func TestSegmentOfAnEarlierAgentGoes(t *testing.T) {
	f := &fence{segment: ruleset.Segment{Ports: []ruleset.Port{{Link: "veth-10.244.1.5", Isolated: true}}}}
	source := script(make(chan Mail))
	start(t, Config{Source: source, Firewall: &kernel{}, Host: bridged{&surroundings{}}, Separator: f,
		Recheck: time.Hour})
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	eventually(t, "nothing is on the bridge", func() bool { return f.ports() == 0 })
}

// A kernel that never keeps pods apart on bridges does not keep another backend's rules, which are
// removed again and again until that succeeds, and not before open connections were looked at.
func TestOtherBackendGoesInTheEnd(t *testing.T) {
	source, w := script(make(chan Mail)), newWire()
	w.slow = make(chan bool)
	tries := make(chan struct{})
	c := start(t, Config{Source: source, Firewall: &kernel{}, Host: bridged{&surroundings{}},
		Separator: &fence{never: true}, Connections: w, Cutter: w, Recheck: time.Hour,
		InForce: func(context.Context) error {
			if _, more := <-tries; more {
				return errors.New("no such program")
			}
			return nil
		}})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "connections are looked at", func() (looks bool) {
		w.change(func() { looks = w.looks == 1 })
		return looks
	})
	select {
	case tries <- struct{}{}:
		t.Error("the other backend is asked to go before connections were looked at")
	default:
	}
	close(w.slow)
	tries <- struct{}{}
	eventually(t, "warned", func() bool {
		return strings.Contains(c.Health.Readiness().Warnings["backend before"], "no such program")
	})
	close(tries)
	eventually(t, "gone", func() bool { return c.Health.Readiness().Warnings["backend before"] == "" })
}

// Pods are kept apart, too, where the kernel carries a change out and the answer gets lost.
func TestSegmentFollowsALostAnswer(t *testing.T) {
	source, f, k := script(make(chan Mail)), &fence{}, &kernel{}
	start(t, Config{Source: source, Firewall: k, Host: bridged{&surroundings{}}, Separator: f,
		Recheck: time.Hour})
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")},
		graph.PolicySet{Policy: deny("elsewhere", "deny")}}, Synced: true}
	eventually(t, "a port", func() bool { return f.ports() == 1 })
	for _, lost := range []bool{false, true} {
		if lost {
			k.lose()
		}
		source <- isolate
		eventually(t, "isolated", func() bool { return f.isolated() == "veth-10.244.1.5" })
		if lost {
			k.lose()
		}
		source <- free
		eventually(t, "not isolated", func() bool { return f.isolated() == "" })
	}
}

// Nobody may pretend to have an address of a node that has just joined, or moved, whatever the host
// says of it.
func TestSegmentFollowsNodes(t *testing.T) {
	source, f := script(make(chan Mail)), &fence{}
	start(t, Config{Source: source, Firewall: &kernel{}, Host: bridged{&surroundings{}}, Separator: f,
		Recheck: time.Hour})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "a port", func() bool { return f.ports() == 1 })
	for _, cidr := range []string{"10.244.9.0/24", "10.244.10.0/24"} {
		source <- Mail{Events: []graph.Event{graph.NodeSet{Node: policy.Node{Name: "n9",
			CIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}}}}}
		eventually(t, cidr+" is taken", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			taken := func(p string) bool {
				return slices.Contains(f.segment.Taken, ruleset.RangeOf(netip.MustParsePrefix(p)))
			}
			return taken(cidr) && (cidr == "10.244.9.0/24" || !taken("10.244.9.0/24"))
		})
	}
}

// While bridged packets pass no hook, the ports of isolated pods are closed, and the node is not
// ready.
func TestPortsAreClosedWhileBridgesAreUnfiltered(t *testing.T) {
	source, f, host := script(make(chan Mail)), &fence{}, bridged{&surroundings{}}
	c := start(t, Config{Source: source, Firewall: &kernel{}, Host: host, HostWatcher: host,
		Separator: f, Recheck: time.Hour})
	source <- Mail{Events: append(cluster(), graph.PodSet{Pod: pod("elsewhere", "10.244.1.6")}),
		Synced: true}
	eventually(t, "open", func() bool {
		return f.ports() == 2 && f.closed() == "" && c.Health.Readiness().Ready
	})
	host.change(func(s *surroundings) {
		s.unfiltered, s.refusal = true, errors.New("a switch is off")
	})
	eventually(t, "closed", func() bool {
		return f.closed() == "veth-10.244.1.5 veth-10.244.1.6" &&
			strings.Contains(c.Health.Readiness().Reasons["host"], "a switch is off")
	})
	began := time.Now()
	host.change(func(s *surroundings) { s.unfiltered, s.refusal = false, nil })
	eventually(t, "open again", func() bool {
		return f.closed() == "" && c.Health.Readiness().Ready
	})
	if took := time.Since(began); took < unseenPause {
		t.Errorf("open again after %v: what was not seen can still be answered", took)
	}
	host.change(func(s *surroundings) { s.unfiltered = true })
	eventually(t, "closed before it is filtered", func() bool { return f.closed() != "" })
	eventually(t, "open after it is filtered", func() bool { return f.closed() == "" })
	host.mu.Lock()
	defer host.mu.Unlock()
	if host.unfiltered {
		t.Error("opened before it is filtered")
	}
}

// A pod that a policy selects, and whose packets pass no hook, keeps the node from being ready,
// once it had the time to start; one that no policy selects does not.
func TestHiddenSubjectIsNotReady(t *testing.T) {
	source, host := script(make(chan Mail)), bridged{&surroundings{hidden: "it is a macvlan"}}
	c := start(t, Config{Source: source, Firewall: &kernel{}, Host: host, HostWatcher: host,
		Recheck: time.Hour})
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	source <- Mail{Events: cluster()}
	eventually(t, "not ready, with the pod and the reason", func() bool {
		reason := c.Health.Readiness().Reasons["hidden"]
		return strings.Contains(reason, "default/web 10.244.1.5") &&
			strings.Contains(reason, "it is a macvlan")
	})
	host.change(func(s *surroundings) { s.hidden = "" })
	eventually(t, "ready again", func() bool { return c.Health.Readiness().Ready })
	host.change(func(s *surroundings) { s.hidden = "its pod has just started" })
	time.Sleep(300 * time.Millisecond)
	if r := c.Health.Readiness(); !r.Ready {
		t.Errorf("a pod that is hidden for a moment: %v", r.Reasons)
	}
	eventually(t, "not ready when that lasts", func() bool { return !c.Health.Readiness().Ready })
}

// What routers say is left to the bridge's own rules once those are in place, and not before.
func TestSharedBridgeIsHandedOver(t *testing.T) {
	k, source, f, host := &kernel{}, script(make(chan Mail)), &fence{refuse: 6},
		bridged{&surroundings{shared: true}}
	c := start(t, Config{Source: source, Firewall: k, Host: host, HostWatcher: host, Separator: f,
		Recheck: time.Hour})
	source <- Mail{Events: cluster()[1:], Synced: true} // no policy
	eventually(t, "refused", func() bool { return len(c.Health.Readiness().Warnings) > 0 })
	for range 3 {
		host.change(func(*surroundings) {})
		time.Sleep(20 * time.Millisecond)
		if !f.routed() && !strings.Contains(k.program(), "link cni0") {
			t.Fatal("nothing keeps pods from saying what routers say")
		}
	}
	eventually(t, "handed over", func() bool {
		return f.routed() && !strings.Contains(k.program(), "link cni0")
	})
	host.change(func(s *surroundings) { s.shared = false })
	eventually(t, "taken back", func() bool {
		return !f.routed() && strings.Contains(k.program(), "link cni0")
	})
}

func (f *fence) routed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.segment.Routers) > 0
}

// A port of which it cannot be known who is behind it is told, for as long as it is so.
func TestRefusedPortIsTold(t *testing.T) {
	source, host := script(make(chan Mail)), bridged{&surroundings{refused: "too many addresses"}}
	c := start(t, Config{
		Source: source, Firewall: &kernel{}, Host: host, HostWatcher: host, Recheck: time.Hour,
	})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "warned", func() bool {
		r := c.Health.Readiness()
		return r.Ready && r.Warnings["port veth0"] == "too many addresses"
	})
	host.change(func(s *surroundings) { s.refused = "" })
	eventually(t, "it is over", func() bool { return len(c.Health.Readiness().Warnings) == 0 })
}
