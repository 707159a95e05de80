package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// slowHost is a machine that keeps its answers until it is let go, once it is told to.
type slowHost struct {
	*machine
	gate    sync.Mutex // is held while nobody gets an answer
	mu      sync.Mutex // guards the field below
	waiting int
}

func (h *slowHost) Prepare([]netip.Addr) (ruleset.Wiring, error) { return ruleset.Wiring{}, nil }
func (h *slowHost) Filtered() bool                               { return true }
func (h *slowHost) Filter() error                                { return nil }

func (h *slowHost) Behind(addrs []netip.Addr) ([]netip.Addr, error) {
	present, err := h.machine.Behind(addrs) // as it is now
	h.count(1)
	h.gate.Lock()
	defer h.gate.Unlock()
	h.count(-1)
	return present, err
}

func (h *slowHost) count(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting += n
}

func (h *slowHost) isAsked() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waiting > 0
}

func podGone(name string) graph.Event {
	return graph.PodGone{Key: policy.Key{Namespace: "default", Name: name}}
}

// While the host does not answer, policies and pods get into the kernel all the same. What it says
// at last is not believed of pods that went after it was asked.
func TestNoPolicyWaitsForTheHost(t *testing.T) {
	k, source := &kernel{}, make(script)
	h := &slowHost{machine: &machine{behind: map[netip.Addr]bool{}}}
	ctl := start(t, Config{Firewall: k, Source: source, Host: h, Addresses: h, HostWatcher: h,
		Recheck: time.Hour})
	source <- Mail{Synced: true, Events: []graph.Event{
		nodeWith("n1", "10.244.1.0/24"), graph.PolicySet{Policy: deny("default", "deny")},
		onNode("n1", "web", "10.244.1.5"), onNode("n1", "old", "10.244.1.4"),
	}}
	eventually(t, "ready", func() bool { return ctl.Health.Readiness().Ready })
	isolated := func(a string) bool {
		return strings.Contains(k.program(), "dispatch ingress "+a+" ")
	}
	h.gate.Lock()
	source <- Mail{Events: []graph.Event{podGone("old")}}
	eventually(t, "the host is asked", h.isAsked)
	source <- Mail{Events: []graph.Event{onNode("n1", "new", "10.244.1.6")}}
	eventually(t, "a new pod is isolated", func() bool { return isolated("10.244.1.6") })
	h.change(func() { h.behind[addr("10.244.1.5")] = true })
	source <- Mail{Events: []graph.Event{podGone("web")}}
	source <- Mail{Events: []graph.Event{onNode("n1", "newer", "10.244.1.7")}}
	eventually(t, "another pod is isolated", func() bool { return isolated("10.244.1.7") })
	h.gate.Unlock()
	eventually(t, "who is gone is forgotten", func() bool { return !isolated("10.244.1.4") })
	if !isolated("10.244.1.5") {
		t.Error("an answer from before a pod went has freed it")
	}
}

// However often pods come and go, the host is asked one question at a time.
func TestHostIsAskedOneQuestionAtATime(t *testing.T) {
	source := make(script)
	h := &countingHost{}
	start(t, Config{Firewall: &kernel{}, Source: source, Host: h, Recheck: time.Hour})
	source <- Mail{Synced: true, Events: []graph.Event{nodeWith("n1", "10.244.1.0/24")}}
	begin := time.Now()
	for i := 0; time.Since(begin) < 300*time.Millisecond; i++ {
		source <- Mail{Events: []graph.Event{onNode("n1", "web",
			netip.AddrFrom4([4]byte{10, 244, 1, byte(i)}).String())}}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if most := 3 + int(time.Since(begin)/(5*answerTime)); h.most != 1 || h.asked > most {
		t.Errorf("%d questions, %d at once; expected at most %d, one at a time", h.asked, h.most,
			most)
	}
}

const answerTime = 10 * time.Millisecond

// countingHost takes answerTime for each answer.
type countingHost struct {
	mu               sync.Mutex // guards the fields below
	now, most, asked int
}

func (h *countingHost) Prepare([]netip.Addr) (ruleset.Wiring, error) {
	h.mu.Lock()
	h.now++
	h.most = max(h.most, h.now)
	h.mu.Unlock()
	time.Sleep(answerTime)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now--
	h.asked++
	return ruleset.Wiring{}, nil
}

func (h *countingHost) Filtered() bool { return true }
func (h *countingHost) Filter() error  { return nil }

// rootedHost says that all pods are behind one interface of their own, as long as it may answer.
type rootedHost struct {
	gate sync.Mutex // is held while nobody gets an answer
	link string
}

func (h *rootedHost) Prepare(pods []netip.Addr) (ruleset.Wiring, error) {
	h.gate.Lock()
	defer h.gate.Unlock()
	links := []ruleset.Link{{Name: "cni0"}, {Name: h.link, Addrs: pods}}
	return ruleset.Wiring{Links: links}, nil
}

func (h *rootedHost) Filtered() bool { return true }
func (h *rootedHost) Filter() error  { return nil }

// An address that has another pod now is not bound to the interface of the pod before: until the
// host has said where the new one is, its packets would be dropped.
func TestReusedAddressIsNotBoundToItsFormerInterface(t *testing.T) {
	k, source, h := &kernel{}, make(script), &rootedHost{link: "veth-old"}
	ctl := start(t, Config{Firewall: k, Source: source, Host: h, Recheck: time.Hour})
	source <- Mail{Synced: true, Events: []graph.Event{
		nodeWith("n1", "10.244.1.0/24"), graph.PolicySet{Policy: deny("default", "deny")},
		onNode("n1", "web", "10.244.1.5"), onNode("n1", "other", "10.244.1.6"),
	}}
	bound := func(link, address string) bool {
		return strings.Contains(k.program(), fmt.Sprintf("  %s %s\n", link, address))
	}
	eventually(t, "bound", func() bool {
		return ctl.Health.Readiness().Ready && bound("veth-old", "10.244.1.5")
	})
	h.gate.Lock()
	h.link = "veth-new"
	source <- Mail{Events: []graph.Event{podGone("web"), onNode("n1", "new", "10.244.1.5")}}
	eventually(t, "not bound", func() bool { return !bound("veth-old", "10.244.1.5") })
	if !bound("veth-old", "10.244.1.6") {
		t.Error("another pod is not bound any more")
	}
	h.gate.Unlock()
	eventually(t, "bound anew", func() bool { return bound("veth-new", "10.244.1.5") })
}

// lesserHost has no IPv6, until it does.
type lesserHost struct {
	countingHost
	absent atomic.Bool
}

func (h *lesserHost) Prepare([]netip.Addr) (ruleset.Wiring, error) {
	if h.absent.Load() {
		return ruleset.Wiring{Absent: []ruleset.Family{ruleset.IPv6}}, nil
	}
	return ruleset.Wiring{}, nil
}

// A family that the kernel does not have is warned of, and keeps the node from nothing.
func TestAbsentFamilyIsWarnedOf(t *testing.T) {
	h, mail := &lesserHost{}, make(script)
	h.absent.Store(true)
	c := start(t, Config{Source: mail, Firewall: &kernel{}, Host: h, Recheck: 10 * time.Millisecond})
	mail <- Mail{Events: cluster(), Synced: true}
	warned := func() bool {
		return strings.HasPrefix(c.Health.Readiness().Warnings["family IPv6"], "this kernel has no IPv6")
	}
	eventually(t, "ready, and warned", func() bool { return c.Health.Readiness().Ready && warned() })
	h.absent.Store(false)
	eventually(t, "no longer warned", func() bool { return !warned() })
}

// failingHost does not say how pods are attached for some times.
type failingHost struct {
	bridged
	failures *atomic.Int32
}

func (h failingHost) Prepare(pods []netip.Addr) (ruleset.Wiring, error) {
	if h.failures.Add(-1) >= 0 {
		return ruleset.Wiring{}, errors.New("interfaces come and go")
	}
	return h.bridged.Prepare(pods)
}

// What another backend has left on bridges stays until this one has put its own there, also where
// the host does not say at first what there is.
func TestInForceWaitsForTheHost(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		source, f, k := script(make(chan Mail)), &fence{}, &kernel{}
		// The base chains are there after a restart, so that nothing has bridges looked at for
		// them.
		if restarted {
			delta := ruleset.Diff(ruleset.Observed{}, &ruleset.Program{})
			if err := k.memory.Apply(t.Context(), delta); err != nil {
				t.Fatal(err)
			}
		}
		ports, host := make(chan int, 1), failingHost{bridged{&surroundings{}}, &atomic.Int32{}}
		host.failures.Store(3)
		start(t, Config{Source: source, Firewall: k, Host: host, Separator: f, Recheck: time.Hour,
			InForce: func(context.Context) error { ports <- f.ports(); return nil }})
		source <- Mail{Events: cluster(), Synced: true}
		if n := <-ports; n == 0 {
			t.Errorf("restarted: %t: in force before anything was on bridges", restarted)
		}
	}
}
