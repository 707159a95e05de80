package sandbox_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/oracle"
)

// claimed is a world with an isolated pod that others will claim the addresses of.
var claimed = setting{
	pods: `a/web n1 app=web
		b/near n1
		b/far n2`,
	policies: []string{`a/deny {podSelector: {}, policyTypes: [Ingress, Egress]}`},
	flows: `deny b/near > a/web TCP 80
		deny b/far > a/web UDP 80
		deny a/web > b/near UDP 80
		deny a/web > b/far TCP 80
		allow b/near > b/far TCP 80`,
}

// claims are ways to take an address from a pod by an object alone.
var claims = []struct {
	name string
	do   func(*stage)
}{
	{"a pod of another node", func(s *stage) {
		s.claim("b/thief", "n2", "10.244.1.2",
			"fd00:10:244:1::2")
	}},
	{"a pod of another node, one family", func(s *stage) {
		s.claim("b/thief", "n2", "10.244.2.9", "fd00:10:244:1::2")
	}},
	{"a later pod of this node", func(s *stage) {
		s.claim("b/thief", "n1", "10.244.1.2",
			"fd00:10:244:1::2")
	}},
	{"a pod of a node that is not there", func(s *stage) {
		s.claim("b/thief", "n9", "10.244.1.2")
	}},
	{"a pod that is not scheduled", func(s *stage) { s.claim("b/thief", "", "10.244.1.2") }},
	{"another Node object", func(s *stage) { s.nodeAddrs("n2", "10.244.1.2", "fd00:10:244:1::2") }},
	{"the Node object of its node", func(s *stage) {
		s.nodeAddrs("n1", "10.244.1.2", "fd00:10:244:1::2")
	}},
	{"no ranges, and a pod of another node", func(s *stage) {
		s.noRanges()
		s.claim("b/thief", "n2", "10.244.1.2", "fd00:10:244:1::2")
	}},
	{"no ranges, and a Node object", func(s *stage) {
		s.noRanges()
		s.nodeAddrs("n2", "10.244.1.2", "fd00:10:244:1::2")
	}},
}

// claim adds a pod that has started last of all.
func (s *stage) claim(id, node string, addrs ...string) {
	p := newPod(s.t, s.World, []string{id, "n1"})
	p.Spec.NodeName = node
	parsed := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		parsed[i] = netip.MustParseAddr(a)
	}
	setAddrs(p, parsed...)
	p.Status.StartTime = moment(1000)
	s.Pods = append(s.Pods, p)
}

// nodeAddrs has a Node object state more addresses.
func (s *stage) nodeAddrs(name string, addrs ...string) {
	s.eachNode(func(n *corev1.Node) {
		for _, a := range addrs {
			if n.Name == name {
				n.Status.Addresses = append(n.Status.Addresses,
					corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
			}
		}
	})
}

func (s *stage) noRanges() {
	s.eachNode(func(n *corev1.Node) { n.Spec.PodCIDR, n.Spec.PodCIDRs = "", nil })
}

func (s *stage) eachNode(change func(*corev1.Node)) {
	for i, n := range s.Nodes {
		s.Nodes[i] = n.DeepCopy()
		change(s.Nodes[i])
	}
}

// No object ends the isolation of a pod by a claim to its address, and each claim is said.
func TestClaimsOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := claimed.world(t)
	r.become(w)
	r.check(w, claimed.flows)
	for _, c := range claims {
		t.Run(c.name, func(t *testing.T) {
			r.report(t)
			r.tell(changedWorld(t, w, c.do)) // the pods stay as they are
			r.check(r.told, claimed.flows)
			r.agents["n1"].awaitWarning(t, "address fd00:10:244:1::2", "address 10.244.1.2")
			r.tell(w)
			r.check(w, claimed.flows)
			r.agree(w)
			if warnings := r.agents["n1"].warnings("address "); len(warnings) > 0 {
				t.Errorf("after the dispute: %v", warnings)
			}
		})
	}
}

func (a *agent) warnings(prefix string) (names []string) {
	for name := range a.control.Health.Readiness().Warnings {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// awaitWarning waits for one of several.
func (a *agent) awaitWarning(t testing.TB, names ...string) {
	t.Helper()
	a.await(t, "it warns of "+strings.Join(names, " or "), func() bool {
		warnings := a.control.Health.Readiness().Warnings
		for _, name := range names {
			if warnings[name] != "" {
				return true
			}
		}
		return false
	})
}

// Who claims an address that cannot be its own is no peer by it: neither another node's pod's, nor
// one outside.
func TestClaimsMakeNoPeersOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := setting{
		pods: `a/web n1 app=web
			b/near n1
			b/far n2`,
		policies: []string{`a/p {podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: friend}}}]}]}`},
		flows: `deny b/far > a/web TCP 80
			deny out > a/web TCP 80`,
	}
	w := s.world(t)
	r.become(w)
	r.check(w, s.flows)
	r.tell(changedWorld(t, w, func(s *stage) {
		s.claim("a/thief", "n1", "10.244.2.4", "fd00:10:244:2::4") // b/far's
		s.claim("a/liar", "n1", "8.8.8.8", "2001:db8::1")          // out's
		for _, id := range []string{"a/thief", "a/liar"} {
			s.pod(id, func(p *corev1.Pod) { p.Labels["app"] = "friend" })
		}
	}))
	r.check(r.told, s.flows)
	r.agents["n1"].awaitWarning(t, "address 8.8.8.8")
}

// While two pods of one node claim an address, what gets through is what both may.
func TestSharedAddressOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := claimed.world(t)
	w.Policies = append(w.Policies[:0], newPolicy(t,
		`a/p {podSelector: {}, ingress: [{ports: [{port: 80}, {port: 81}]}]}`),
		newPolicy(t,
			`a/q {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 82}]}]}`))
	r.become(w)
	r.check(w, `allow b/near > a/web TCP 80
		allow b/near > a/web TCP 82
		deny b/near > a/web TCP 83`)
	r.tell(changedWorld(t, w, func(s *stage) {
		s.claim("a/twin", "n1", "10.244.1.2",
			"fd00:10:244:1::2")
	}))
	r.check(r.told, `allow b/near > a/web TCP 80
		allow b/far > a/web TCP 81
		deny b/near > a/web TCP 82
		deny b/near > a/web TCP 83`)
	r.agree(r.told)
}

// A pod that was deleted by force is isolated as it was for as long as its address is behind its
// interface.
func TestDepartedPodsOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := claimed.world(t)
	r.become(w)
	without := changedWorld(t, w, func(s *stage) { s.dropPod("a/web") })
	r.tell(without)
	r.askUntold(claimed.flows)
	r.departs(w)
}

// departs checks that the address of a pod that was deleted by force has a chain of its own, which goes
// with its interface, and that the pod is as ever when it comes back.
func (r *rig) departs(w *oracle.World) {
	r.t.Helper()
	if text := r.table("n1"); !strings.Contains(text, "by_address/10.244.1.2") {
		r.t.Errorf("the address is isolated as ever, but not by its own chain:\n%s", text)
	}
	r.must(r.DeletePod("a/web"))
	delete(r.pods, "a/web")
	eventually(r.t, "its address is forgotten once its interface is gone", func() bool {
		return !strings.Contains(r.table("n1"), "10.244.1.2")
	})
	r.become(w)
	r.check(w, claimed.flows)
	r.agree(w)
}

// A new agent knows nothing of a pod that was deleted by force before, or while none ran, and
// denies it as long as its address is behind its interface. Nobody else's packets are denied for
// that.
func TestDepartedPodsOutliveTheirAgentOnRealPackets(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %t", strict), func(t *testing.T) {
			r := newRig(t, rigOptions{strict: strict})
			w := claimed.world(t)
			r.become(w)
			without := changedWorld(t, w, func(s *stage) { s.dropPod("a/web") })
			for range 2 {
				r.restart(without, func() {})
				r.askUntold(claimed.flows)
			}
			r.departs(w)
		})
	}
}

// Another pod that gets the address of one that was deleted by force is isolated as itself.
func TestDepartedPodIsSucceededOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := claimed.world(t)
	r.become(w)
	r.tell(changedWorld(t, w, func(s *stage) { s.dropPod("a/web") }))
	r.tell(changedWorld(t, r.told, func(s *stage) {
		s.claim("b/next", "n1", "10.244.1.2", "fd00:10:244:1::2")
	}))
	r.check(r.told, `allow b/near > a/web TCP 80
		allow a/web > b/far UDP 80`)
	r.agree(r.told)
}

// A namespace that nobody has told of yet is not taken for one without labels.
func TestUnheardNamespaceOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := setting{
		pods: `a/web n1 app=web
			b/near n1
			b/far n2`,
		policies: []string{`a/p {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: restricted, operator: DoesNotExist}]}}]}]}`},
	}
	w := s.world(t)
	w.Namespaces = nil
	r.become(w)
	r.check(w, `deny b/near > a/web TCP 80
		deny b/far > a/web UDP 80`)
	r.feed(graph.EventOf(edited(t, &oracle.World{}, "namespace b restricted=yes").Namespaces[0]))
	r.askUntold("deny b/near > a/web TCP 80")
	heard := changedWorld(t, w, func(s *stage) { s.namespace("b") })
	r.become(heard)
	r.check(heard, "allow b/near > a/web TCP 80")
}
