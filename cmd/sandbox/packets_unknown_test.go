package sandbox_test

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/oracle"
)

// newcomers is a world in which nobody is isolated, and what a pod of n1 may do that the agents
// have not heard of yet.
var newcomers = setting{
	pods: `a/old n1
		a/far n2`,
	flows: `allow a/old > a/far TCP 80
		allow a/far > a/old UDP 80
		allow a/old > out PING`,
}

const (
	newIsDenied = `deny a/new > a/old TCP 80
		deny a/new > a/far TCP 80
		deny a/new > a/far PING
		deny a/new > out UDP 80
		deny a/old > a/new TCP 80
		deny a/far > a/new UDP 80
		deny a/far > a/new PING
		allow a/new > n1 TCP 80
		allow n1 > a/new TCP 80`
	newIsFree = `allow a/new > a/old TCP 80
		allow a/new > a/far TCP 80
		allow a/new > out UDP 80
		allow a/old > a/new TCP 80
		allow a/far > a/new PING
		allow a/new > n1 TCP 80`
)

// askUntold puts questions that no oracle can answer: about pods that nobody has told anybody of.
func (r *rig) askUntold(flows string) {
	r.t.Helper()
	r.expect(r.told, r.read(flows))
}

// withNewcomer is a world with a pod more.
func withNewcomer(t *testing.T, w *oracle.World) *oracle.World {
	return changedWorld(t, w, func(s *stage) {
		s.Pods = append(s.Pods,
			newPod(t, s.World, []string{"a/new", "n1"}))
	})
}

// A strict node denies a pod from its first packet until its agent knows it, whether the agent
// lives or not; to the pod's own node it may speak, and kubelet to it.
func TestUnknownPodsOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{strict: true, idle: true})
	w := newcomers.world(t)
	r.build(w)
	r.restart(w, func() {})
	r.check(w, newcomers.flows)
	next := withNewcomer(t, w)
	t.Run("the agent lives", func(t *testing.T) {
		r.report(t)
		r.build(next)
		r.askUntold(newIsDenied)
		r.tell(next)
		r.check(next, newIsFree)
		r.agree(next)
	})
	t.Run("its address is free again", func(t *testing.T) {
		r.report(t)
		r.tell(w) // the pod is still there
		r.askUntold(newIsDenied)
		r.check(w, newcomers.flows)
		r.agree(w)
	})
	t.Run("the agent is dead", func(t *testing.T) {
		r.report(t)
		r.restart(next, func() {
			r.askUntold(newIsDenied)
			r.check(w, newcomers.flows)
		})
		r.check(next, newIsFree)
	})
}

// Elsewhere a pod is free until somebody says otherwise; a node that becomes strict, or is no
// longer, is so at once.
func TestUnknownPodsAreFreeOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := newcomers.world(t)
	r.become(w)
	next := withNewcomer(t, w)
	r.build(next)
	r.askUntold(newIsFree)
	for _, strict := range []bool{true, false} {
		for _, a := range r.agents {
			a.options.strict = strict
		}
		r.restart(w, func() {})
		want := newIsFree
		if strict {
			want = newIsDenied
		}
		r.askUntold(want)
		r.check(w, newcomers.flows)
	}
}

// A node whose range nobody knows, and no interface tells of, says so.
func TestUnknownRangeIsSaid(t *testing.T) {
	r := newRig(t, rigOptions{strict: true, idle: true})
	r.must(r.InNode("n1", func() error { return rename("cni0", "other0") }))
	w := newcomers.world(t)
	w.Nodes[0].Spec.PodCIDRs = nil
	a := r.agents["n1"]
	a.start(t)
	a.deliver(source.Mail{Events: r.news(w), Synced: true})
	a.await(t, "it says so", func() bool {
		return strings.Contains(a.control.Health.Readiness().Reasons["unknown-pods"],
			"node n1 has no spec.podCIDRs")
	})
}

// rename gives an interface another name while it is up, so that it keeps its addresses (Linux
// 6.2).
func rename(from, to string) error {
	link, err := netlink.LinkByName(from)
	if err != nil {
		return err
	}
	return netlink.LinkSetName(link, to)
}
