package compile_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// mismatch is a flow about which the programs and the oracle disagree.
type mismatch struct {
	flow   oracle.Flow
	want   bool
	traces []ruleset.Trace
	audit  string // the direction, if it is about audit
}

func (m *mismatch) Error() string {
	if m.audit != "" {
		return fmt.Sprintf("%v: %s is audited: the oracle says %t", m.flow, m.audit, m.want)
	}
	return fmt.Sprintf("%v: the oracle says %t, the programs %t: %v", m.flow, m.want, !m.want,
		m.traces)
}

// compare returns the first flow about which they disagree, nil if there is none.
func compare(w *oracle.World, flows []oracle.Flow, count *tally) *mismatch {
	programs := programsOf(w)
	for _, f := range flows {
		want := w.Allowed(f)
		got, traces := decide(programs, f)
		if got != want {
			return &mismatch{flow: f, want: want, traces: traces}
		}
		audited, wrong := auditedOf(programs, w, f)
		if wrong != nil {
			return wrong
		}
		if audited {
			count.audited++
		}
		count.flow(got, traces)
	}
	return nil
}

func (t *tally) flow(allowed bool, traces []ruleset.Trace) {
	t.flows++
	switch {
	case !allowed:
		t.denied++
	case slices.ContainsFunc(traces, isRuled):
		t.ruled++
	default:
		t.free++
	}
}

// auditedOf reports whether some node audits a flow, in either direction. It is a mismatch where the
// oracle says otherwise of one direction.
func auditedOf(programs []*ruleset.Program, w *oracle.World, f oracle.Flow) (bool, *mismatch) {
	some := false
	for d, want := range map[ruleset.Direction]bool{
		ruleset.Egress: w.EgressAudited(f), ruleset.Ingress: w.IngressAudited(f),
	} {
		got := false
		for _, p := range programs {
			got = got || p.DecideIn(d, flowOf(f)).Audited
		}
		if some = some || got; got != want {
			return some, &mismatch{flow: f, want: want, audit: d.String()}
		}
	}
	return some, nil
}

// flowOf converts a flow of the oracle.
func flowOf(f oracle.Flow) ruleset.Flow {
	return ruleset.Flow{From: f.From, To: f.To, Port: uint16(f.Port), Proto: protocols[f.Protocol]}
}

// isRuled reports whether a rule of a policy had to allow the flow.
func isRuled(trace ruleset.Trace) bool {
	return slices.ContainsFunc(trace, func(s ruleset.Decision) bool {
		return s.Chain != "" && !s.Audited && !slices.Equal(s.Reason, []ruleset.Origin{{}})
	})
}

// programsOf compiles a world for every node that it mentions, every other world with
// merged chains.
func programsOf(w *oracle.World) []*ruleset.Program {
	snapshot := compile.SnapshotOf(policy.Objects(*w), "")
	snapshot.MergeAbove = len(w.Policies) % 2
	return programsOfNodes(w, snapshot)
}

// programsOfNodes compiles a world, as a snapshot has it, for every node that it mentions.
func programsOfNodes(w *oracle.World, snapshot compile.Snapshot) []*ruleset.Program {
	var programs []*ruleset.Program
	for _, snapshot.Node = range nodesOf(w) {
		program, _ := compile.Compile(snapshot)
		programs = append(programs, program)
	}
	return programs
}

// nodesOf lists the nodes that a world mentions.
func nodesOf(w *oracle.World) []string {
	var nodes []string
	for _, n := range w.Nodes {
		nodes = append(nodes, n.Name)
	}
	for _, p := range w.Pods {
		nodes = append(nodes, p.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// decide asks every node: a packet passes if none denies it.
func decide(programs []*ruleset.Program, f oracle.Flow) (bool, []ruleset.Trace) {
	flow := flowOf(f)
	got := ruleset.Allowed
	var traces []ruleset.Trace
	for _, p := range programs {
		verdict, trace := p.Decide(flow)
		traces = append(traces, trace)
		got = min(got, verdict)
	}
	return got == ruleset.Allowed, traces
}

var protocols = map[corev1.Protocol]ruleset.Protocol{
	corev1.ProtocolTCP: ruleset.TCP, corev1.ProtocolUDP: ruleset.UDP,
	corev1.ProtocolSCTP: ruleset.SCTP, "": ruleset.AnyProtocol,
}

// sample draws that many of the flows that have a pod's address at an end; about others no
// policy speaks. Four in five of them have a pod there whose namespace has policies.
func sample(r *rand.Rand, w *oracle.World, flows []oracle.Flow, count int) []oracle.Flow {
	weights := weigh(w)
	weight := func(f oracle.Flow) int { return max(weights[f.From], weights[f.To]) }
	r.Shuffle(len(flows), func(i, j int) { flows[i], flows[j] = flows[j], flows[i] })
	room := map[int]int{1: count / 5, 2: count * 4 / 5}
	return slices.DeleteFunc(flows, func(f oracle.Flow) bool {
		room[weight(f)]--
		return room[weight(f)] < 0
	})
}

// weigh gives the addresses that pods claim 1, and 2 where the namespace has policies.
func weigh(w *oracle.World) map[netip.Addr]int {
	governed := map[string]bool{}
	for _, p := range w.Policies {
		governed[p.Namespace] = true
	}
	weights := map[netip.Addr]int{}
	for _, p := range w.Pods {
		for _, ip := range append(p.Status.PodIPs, corev1.PodIP{IP: p.Status.PodIP}) {
			a, _ := netip.ParseAddr(ip.IP)
			weights[a] = max(weights[a], 1)
			if governed[p.Namespace] {
				weights[a] = 2
			}
		}
	}
	return weights
}
