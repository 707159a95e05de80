package graph_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// Where a pod comes or goes, packets between the others fare as ever, also those that are
// on their way while the kernel changes: with the rules of before, and what is to be looked
// up then.
func TestPodsThatComeAndGoDisturbNoOthers(t *testing.T) {
	for i := range *histories {
		r := rand.New(rand.NewPCG(*seed+uint64(i), 11))
		world := oracle.Random(r, oracle.Size{Namespaces: 2, Nodes: 2})
		g, kernel := graph.New("n1", ruleset.Drop), &ruleset.Memory{}
		g.MergeAbove(1 + 15*r.IntN(2))
		apply(t, kernel, ruleset.Delta{Clear: true, Frame: true})
		for _, e := range moves(&oracle.World{}, world) {
			g.Apply(e)
		}
		apply(t, kernel, g.Changes())
		for range 6 {
			p := world.Pods[r.IntN(len(world.Pods))]
			flows := flowsBut(world, p.Namespace+"/"+p.Name)
			r.Shuffle(len(flows), func(i, j int) { flows[i], flows[j] = flows[j], flows[i] })
			flows = flows[:min(len(flows), 300)]
			for _, e := range []graph.Event{graph.PodGone{Key: policy.Key{Namespace: p.Namespace,
				Name: p.Name}}, graph.EventOf(p)} {
				g.Apply(e)
				for _, step := range nft.Steps(g.Changes()) {
					before := kernel.Program()
					apply(t, kernel, step)
					wantUndisturbed(t, *seed+uint64(i), before, kernel.Program(), flows)
				}
			}
		}
	}
}

// flowsBut are those of all pods but one and those that share an address with it.
func flowsBut(w *oracle.World, name string) []oracle.Flow {
	its := map[netip.Addr]bool{}
	for _, p := range w.Pods {
		for _, ip := range append(p.Status.PodIPs[:len(p.Status.PodIPs):len(p.Status.PodIPs)],
			corev1.PodIP{IP: p.Status.PodIP}) {
			if a, err := netip.ParseAddr(ip.IP); err == nil && p.Namespace+"/"+p.Name == name {
				its[a] = true
			}
		}
	}
	return slices.DeleteFunc(w.Flows(), func(f oracle.Flow) bool {
		return its[f.From] || its[f.To]
	})
}

var protocols = map[corev1.Protocol]ruleset.Protocol{
	corev1.ProtocolTCP: ruleset.TCP, corev1.ProtocolUDP: ruleset.UDP,
	corev1.ProtocolSCTP: ruleset.SCTP,
}

func wantUndisturbed(t *testing.T, seed uint64, before, after *ruleset.Program,
	flows []oracle.Flow) {
	t.Helper()
	meanwhile := &ruleset.Program{Dispatch: after.Dispatch, Sets: after.Sets,
		Chains: slices.Clone(before.Chains)}
	for _, c := range after.Chains {
		is := func(o ruleset.Chain) bool { return o.ID == c.ID }
		if !slices.ContainsFunc(before.Chains, is) {
			// no rules: it decides nothing
			meanwhile.Chains = append(meanwhile.Chains, ruleset.Chain{ID: c.ID,
				End: ruleset.EndGoBack})
		}
	}
	meanwhile.Sort()
	for _, flow := range flows {
		f := ruleset.Flow{From: flow.From, To: flow.To, Proto: protocols[flow.Protocol],
			Port: uint16(flow.Port)}
		was, _ := before.Decide(f)
		is, _ := after.Decide(f)
		if v, trace := meanwhile.Decide(f); was == is && v != is {
			t.Fatalf("-seed %d: %s: %s before and after, %s while the kernel changes: %v", seed, f,
				was, v, trace)
		}
	}
}
