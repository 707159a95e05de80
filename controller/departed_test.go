package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// departure is a node on which an earlier controller has isolated two pods of which the API tells
// nobody any more: of web the address is behind its interface still, of job it is not.
type departure struct {
	kernel  *kernel
	machine *machine
	source  script
	seen    int // transactions of the earlier controller
}

var withoutPods = []graph.Event{nodeWith("n1", "10.244.1.0/24"),
	graph.PolicySet{Policy: deny("default", "deny")}}

func newDeparture(t *testing.T, denyUnknown bool) *departure {
	x := &departure{&kernel{}, &machine{behind: map[netip.Addr]bool{addr("10.244.1.5"): true}},
		make(script), 0}
	_, stop := run(t, x.config(denyUnknown))
	x.source <- Mail{Synced: true, Events: append(withoutPods[:2:2],
		onNode("n1", "web", "10.244.1.5"), onNode("n1", "job", "10.244.1.6"))}
	eventually(t, "they are isolated", func() bool { return x.isolates("5") && x.isolates("6") })
	stop()
	x.seen = len(x.kernel.transactions())
	return x
}

func (x *departure) config(denyUnknown bool) Config {
	return Config{Firewall: x.kernel, Source: x.source, Addresses: x.machine, HostWatcher: x.machine,
		DenyUnknown: denyUnknown}
}

// isolates reports whether 10.244.1.host is isolated for ingress, and not for egress.
func (x *departure) isolates(host string) bool {
	text := x.kernel.program()
	return strings.Contains(text, "dispatch ingress 10.244.1."+host+" ") &&
		!strings.Contains(text, "dispatch egress 10.244.1."+host+" ")
}

// freed reports whether a transaction since the restart ended the isolation of an address.
func (x *departure) freed(a string) bool {
	return x.has(func(d ruleset.Delta) bool { return at(d.DelDispatch, a) && !at(d.AddDispatch, a) })
}

// gave reports whether a transaction since the restart gave a chain to an address.
func (x *departure) gave(a string) bool {
	return x.has(func(d ruleset.Delta) bool { return at(d.AddDispatch, a) })
}

func (x *departure) has(what func(ruleset.Delta) bool) bool {
	return slices.ContainsFunc(x.kernel.transactions()[x.seen:], what)
}

func at(list []ruleset.Dispatch, a string) bool {
	return slices.ContainsFunc(list, func(e ruleset.Dispatch) bool { return e.Addr == addr(a) })
}

// A pod that is gone from the API and still runs is denied after a restart of the agent, too, as
// long as its address is behind its interface. One that is not there is forgotten at once.
func TestDepartedPodStaysIsolatedAfterARestart(t *testing.T) {
	for _, denyUnknown := range []bool{false, true} {
		t.Run(fmt.Sprint("unknown pods are denied: ", denyUnknown), func(t *testing.T) {
			x := newDeparture(t, denyUnknown)
			ctl := start(t, x.config(denyUnknown))
			x.source <- Mail{Synced: true, Events: withoutPods}
			eventually(t, "it is ready", func() bool { return ctl.Health.Readiness().Ready })
			if !x.isolates("5") || x.freed("10.244.1.5") {
				t.Errorf("web is free or was, though it is there still:\n%s", x.kernel.program())
			}
			if strings.Contains(x.kernel.program(), "10.244.1.6") {
				t.Errorf("job is isolated, though it is not there:\n%s", x.kernel.program())
			}
			if x.gave("10.244.1.6") {
				t.Error("job was taken for departed, though it is not there")
			}
			x.machine.change(func() { clear(x.machine.behind) })
			eventually(t, "web is forgotten once it is not there", func() bool {
				return !strings.Contains(x.kernel.program(), "10.244.1.5")
			})
		})
	}
}

// Where the kernel does not say who is there, all stay isolated until it does.
func TestDepartedPodsStayIsolatedUntilTheKernelAnswers(t *testing.T) {
	x := newDeparture(t, false)
	x.machine.change(func() { x.machine.err = errors.New("no answer") })
	ctl := start(t, x.config(false))
	x.source <- Mail{Synced: true, Events: withoutPods}
	eventually(t, "it is in force, and not ready", func() bool {
		return ctl.Health.started() && ctl.Health.Readiness().Reasons["addresses"] != ""
	})
	if !x.isolates("5") || !x.isolates("6") || x.freed("10.244.1.5") || x.freed("10.244.1.6") {
		t.Errorf("they are free, though nobody has said that they are gone:\n%s", x.kernel.program())
	}
	x.machine.change(func() { x.machine.err = nil })
	eventually(t, "what is gone is forgotten", func() bool {
		return !strings.Contains(x.kernel.program(), "10.244.1.6") && ctl.Health.Readiness().Ready
	})
	if !x.isolates("5") || x.freed("10.244.1.5") {
		t.Errorf("web is free, though it is there:\n%s", x.kernel.program())
	}
}

// Until all was read nobody is taken for departed; a pod that is then told of is itself, and so is
// one that gets the address later.
func TestAddressOfADepartedPodIsTheNextOnes(t *testing.T) {
	x := newDeparture(t, false)
	ctl := start(t, x.config(false))
	x.source <- Mail{Synced: true, Blind: true, Events: withoutPods,
		Complaints: map[string]string{"pods": "unread"}}
	eventually(t, "it is blind", func() bool { return ctl.Health.Readiness().Reasons["source"] != "" })
	if text := x.kernel.program(); strings.Contains(text, "by_address") || !x.isolates("6") {
		t.Errorf("not left as it was:\n%s", text)
	}
	x.source <- Mail{Complaints: map[string]string{},
		Events: []graph.Event{onNode("n1", "job", "10.244.1.6")}}
	eventually(t, "web is denied", func() bool {
		return strings.Contains(x.kernel.program(), "ingress/by_address/10.244.1.5")
	})
	if strings.Contains(x.kernel.program(), "by_address/10.244.1.6") {
		t.Errorf("job is not itself:\n%s", x.kernel.program())
	}
	heir := policy.Pod{Key: policy.Key{Namespace: "b", Name: "heir"}, Node: "n1",
		Addrs: []netip.Addr{addr("10.244.1.5")}}
	x.source <- Mail{Events: []graph.Event{graph.PodSet{Pod: heir}}}
	eventually(t, "the next pod is free, as no policy selects it", func() bool {
		return !strings.Contains(x.kernel.program(), "dispatch ingress 10.244.1.5 ") &&
			!strings.Contains(x.kernel.program(), "by_address")
	})
}
