package policy_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	worlds = flag.Int("worlds", 2000, "random worlds to compare with the oracle")
	seed   = flag.Uint64("seed", 1, "of the first random world")
)

// The kernels' answer, as the compiled programs of all nodes give it, is the one that the text of the API
// gives, for every pair of addresses, protocol and port of small random worlds.
func TestProgramsDecideAsTheOracle(t *testing.T) {
	var flows, allowed int
	for i := range *worlds {
		w := oracle.Random(rand.New(rand.NewPCG(*seed+uint64(i), 0)), oracle.Size{})
		programs := programsOf(w)
		for _, f := range w.Flows() {
			want := w.Allowed(f)
			flows++
			if want {
				allowed++
			}
			if got, traces := decide(programs, f); got != want {
				t.Fatalf("-seed %d: %v: programs say %t, the oracle says %t\n%v\n%s", *seed+uint64(i), f, got, want, traces, w)
			}
		}
	}
	t.Logf("%d worlds, %d flows, %d of them allowed", *worlds, flows, allowed)
}

// programsOf compiles a world for every node that it mentions.
func programsOf(w *oracle.World) map[string]*ruleset.Program {
	compiled := map[string]*ruleset.Program{}
	compile := func(node string) { compiled[node], _ = policy.Compile(policy.Objects(*w).Snapshot(node)) }
	for _, n := range w.Nodes {
		compile(n.Name)
	}
	for _, p := range w.Pods {
		if compiled[p.Spec.NodeName] == nil {
			compile(p.Spec.NodeName)
		}
	}
	return compiled
}

// decide asks every node: a packet passes if none denies it.
func decide(programs map[string]*ruleset.Program, f oracle.Flow) (bool, []ruleset.Trace) {
	flow := ruleset.Flow{From: f.From, To: f.To, Port: uint16(f.Port), Proto: protocol(f.Protocol)}
	got := ruleset.Allow
	var traces []ruleset.Trace
	for _, p := range programs {
		verdict, trace := p.Decide(flow)
		traces = append(traces, trace)
		got = min(got, verdict)
	}
	return got == ruleset.Allow, traces
}

func protocol(p corev1.Protocol) ruleset.Protocol {
	proto, err := ruleset.ParseProtocol(string(p))
	if err != nil {
		return ruleset.AnyProtocol
	}
	return proto
}
