package ask_test

import (
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

// Pods that are said to be judged alike are: each of them with every other pod, both ways.
func TestPodsOfAGroupAreJudgedAlike(t *testing.T) {
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

// twins adds to every pod another one of the same workload, with an address of its own.
func twins(w *oracle.World) {
	for i, p := range w.Pods {
		p.OwnerReferences = ownedBy(p.Name)
		twin := p.DeepCopy()
		twin.Name += "-twin"
		twin.Status.PodIP, twin.Status.PodIPs = "", nil
		for _, n := range w.Nodes {
			if n.Name != p.Spec.NodeName {
				continue
			}
			for _, cidr := range n.Spec.PodCIDRs {
				first := netip.MustParsePrefix(cidr).Addr().As16()
				first[15] += byte(150 + i)
				addr := netip.AddrFrom16(first).Unmap()
				if has := policy.PodAddrs(p); slices.ContainsFunc(has, func(a netip.Addr) bool {
					return a.Is4() == addr.Is4()
				}) {
					twin.Status.PodIPs = append(twin.Status.PodIPs, corev1.PodIP{IP: addr.String()})
				}
			}
		}
		w.Pods = append(w.Pods, twin)
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
