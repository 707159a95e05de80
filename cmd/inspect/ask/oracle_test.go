package ask_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// worlds is how many random worlds the answers are compared with the oracle in.
const worlds = 200

// Whatever is asked of a cluster, the verdict is the oracle's.
func TestVerdictsAreTheOracles(t *testing.T) {
	flows, denied := 0, 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 18))
		w := oracle.Random(r, oracle.Size{Pods: 5, Policies: 4})
		c := ask.New(policy.Objects(*w), nil)
		all := w.Flows()
		for range min(80, len(all)) {
			f := all[r.IntN(len(all))]
			flows++
			want, got := w.Allowed(f), c.Allowed(flowOf(f))
			if !want {
				denied++
			}
			if got != want {
				t.Fatalf("world %d: %v: %t, the oracle says %t", seed, f, got, want)
			}
		}
	}
	if t.Logf("%d flows, %d denied", flows, denied); denied < flows/10 {
		t.Error("too few flows are denied to tell anything")
	}
}

// Pods that are said to be decided about alike are: each of them with every other pod, both ways.
func TestPodsOfAGroupAreDecidedAlike(t *testing.T) {
	several := 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 19))
		w := oracle.Random(r, oracle.Size{Pods: 6, Valid: seed%2 == 0})
		twins(w)
		c := ask.New(policy.Objects(*w), nil)
		for _, g := range c.Groups(c.Pods) {
			for _, other := range g.Pods[1:] {
				several++
				checkAlike(t, c, g.Rep(), other)
			}
		}
	}
	if several < worlds/2 {
		t.Errorf("only %d pods were like another", several)
	}
}

// twins adds to every pod another one, with an address of its own and a label that nobody asks for,
// in turn on the same node or on the next one, and of the same workload or of none.
func twins(w *oracle.World) {
	for i, p := range w.Pods {
		p.OwnerReferences = ownedBy(p.Name)
		twin := p.DeepCopy()
		twin.Name += "-twin"
		twin.Labels = maps.Clone(p.Labels)
		if twin.Labels == nil {
			twin.Labels = map[string]string{}
		}
		twin.Labels["example.com/name"] = twin.Name
		if i%3 == 2 {
			twin.OwnerReferences = nil
		}
		at := slices.IndexFunc(w.Nodes, func(n *corev1.Node) bool { return n.Name == p.Spec.NodeName })
		if at >= 0 {
			move(twin, w.Nodes[(at+i%2)%len(w.Nodes)], byte(150+i))
		} else {
			twin.Status.PodIP, twin.Status.PodIPs = "", nil
		}
		w.Pods = append(w.Pods, twin)
	}
}

// move puts a pod on a node, with an address of each family that it has: so many after the first
// ones of the node's ranges.
func move(p *corev1.Pod, to *corev1.Node, number byte) {
	has := policy.PodAddrs(p)
	p.Spec.NodeName, p.Status.PodIP, p.Status.PodIPs = to.Name, "", nil
	for _, cidr := range to.Spec.PodCIDRs {
		first := netip.MustParsePrefix(cidr).Addr().As16()
		first[15] += number
		addr := netip.AddrFrom16(first).Unmap()
		if slices.ContainsFunc(has, func(a netip.Addr) bool { return a.Is4() == addr.Is4() }) {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: addr.String()})
		}
	}
}

// checkAlike wants two pods of one group to have the same answer for every flow.
func checkAlike(t *testing.T, c *ask.Cluster, a, b ask.Pod) {
	t.Helper()
	for _, p := range c.Pods {
		if p.Key == a.Key || p.Key == b.Key || p.Host {
			continue
		}
		for _, port := range []ask.Port{{}, {Protocol: ruleset.TCP, Number: 80},
			{Protocol: ruleset.UDP, Number: 53}} {
			for _, ends := range [][2][]netip.Addr{{a.Addrs, b.Addrs}} {
				from := c.AllAllowed(ask.Flows(ends[0], p.Addrs, port))
				if from != c.AllAllowed(ask.Flows(ends[1], p.Addrs, port)) {
					t.Fatalf("%s and %s differ to %s %s", a.Key, b.Key, p.Key, port)
				}
				to := c.AllAllowed(ask.Flows(p.Addrs, ends[0], port))
				if to != c.AllAllowed(ask.Flows(p.Addrs, ends[1], port)) {
					t.Fatalf("%s and %s differ from %s %s", a.Key, b.Key, p.Key, port)
				}
			}
		}
	}
}

// Pods with the same key, of whatever workloads, are decided alike: as subjects and as peers.
func TestPodsWithOneKeyAreDecidedAlike(t *testing.T) {
	pairs := map[string]int{}
	for seed := range uint64(worlds) {
		w := oracle.Random(rand.New(rand.NewPCG(seed, 20)), oracle.Size{Pods: 6, Valid: seed%2 == 0})
		twins(w)
		c := ask.New(policy.Objects(*w), nil)
		for i, a := range c.Pods {
			for _, b := range c.Pods[:i] {
				for _, d := range ruleset.Directions {
					if c.SubjectKey(a, d) == c.SubjectKey(b, d) {
						pairs["subjects"]++
						checkSame(t, c, alike{a, b, d, d == ruleset.Egress})
					}
					if c.PeerKey(a) == c.PeerKey(b) {
						pairs["peers"]++
						checkSame(t, c, alike{a, b, d, d == ruleset.Ingress})
					}
				}
			}
		}
	}
	if t.Log(pairs); pairs["subjects"] < worlds || pairs["peers"] < worlds {
		t.Error("too few pods have one key")
	}
}

// alike is two pods that should be decided alike in a direction, as senders or as receivers.
type alike struct {
	a, b  ask.Pod
	in    ruleset.Direction
	sends bool
}

// checkSame wants the same verdicts of two pods with every other pod.
func checkSame(t *testing.T, c *ask.Cluster, x alike) {
	t.Helper()
	for _, p := range c.Pods {
		if p.Key == x.a.Key || p.Key == x.b.Key || p.Host {
			continue
		}
		for _, port := range []ask.Port{{}, {Protocol: ruleset.TCP, Number: 80}} {
			var said [2]string
			for i, one := range []ask.Pod{x.a, x.b} {
				from, to := p, one
				if x.sends {
					from, to = one, p
				}
				for _, f := range ask.Flows(from.Addrs, to.Addrs, port) {
					decision := c.Decide(x.in, f).Decision
					said[i] += fmt.Sprint(decision.Verdict, decision.Audited)
				}
			}
			if said[0] != said[1] {
				t.Fatalf("%s of %s and %s with %s %s: %v", x.in, x.a.Key, x.b.Key, p.Key, port, said)
			}
		}
	}
}

// A policy that is audited isolates nobody, and one that is not is audited for nobody.
func TestAuditedPoliciesIsolateNobody(t *testing.T) {
	isolating, auditing := 0, 0
	for seed := range uint64(worlds) {
		w := oracle.Random(rand.New(rand.NewPCG(seed, 21)), oracle.Size{Pods: 4})
		c := ask.New(policy.Objects(*w), nil)
		for _, p := range c.Pods {
			for _, d := range ruleset.Directions {
				by, audited := c.Isolating(p, d), c.Auditing(p, d)
				isolating, auditing = isolating+len(by), auditing+len(audited)
				enforced := func(one *policy.Policy) bool { return !c.Audited(one) }
				if slices.ContainsFunc(by, c.Audited) || slices.ContainsFunc(audited, enforced) {
					t.Fatalf("world %d: %s of %s: isolated by %v, audited %v", seed, d, p.Key, by, audited)
				}
			}
		}
	}
	if min(isolating, auditing) < worlds/2 {
		t.Errorf("only %d policies isolate a pod, %d are audited", isolating, auditing)
	}
}

func flowOf(f oracle.Flow) ruleset.Flow {
	proto, _ := ruleset.ParseProtocol(string(f.Protocol)) // else any
	return ruleset.Flow{From: f.From, To: f.To, Proto: proto, Port: uint16(f.Port)}
}
