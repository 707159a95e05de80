package reach

import (
	"math/rand/v2"
	"testing"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// What the matrix counts is what each pair of pods is allowed.
func TestMatrixCountsPairs(t *testing.T) {
	targets, open := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 25))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0, Pods: 6})
		c := ask.New(policy.Objects(*w), nil)
		v := newVerdicts(c)
		groups := c.Groups(c.Pods)
		for _, from := range groups {
			for _, to := range groups {
				for _, port := range append([]ask.Port{{}, {Protocol: ruleset.TCP, Number: 80}}, to.Rep().Ports...) {
					is, ok := v.allowed(from, to, port)
					for _, a := range from.Pods {
						for _, b := range to.Pods {
							if a.Key == b.Key {
								continue
							}
							targets++
							want := c.AllAllowed(ask.Flows(a.Addrs, b.Addrs, port))
							if is != want || !ok {
								t.Fatalf("world %d: %s to %s %s: %t, %t, expected %t", seed, a.Key, b.Key,
									port, is, ok, want)
							}
							if want {
								open++
							}
						}
					}
				}
			}
		}
	}
	if t.Logf("%d pairs, %d open", targets, open); open < 1000 || open > targets*9/10 {
		t.Error("too few are open, or denied, to tell anything")
	}
}

// Pods that are workloads of their own are asked about as rarely as those of Deployments.
func TestMatrixAsksAboutKinds(t *testing.T) {
	s := samplecluster.New(samplecluster.Size{Pods: 300, Policies: 40, Local: 30}, 1)
	c := ask.New(policy.Objects{Nodes: s.Nodes, Namespaces: s.Namespaces, Pods: s.Pods,
		Policies: s.Policies}, nil)
	v := newVerdicts(c)
	pairs := 0
	all := workloads(c, c.Pods)
	for _, to := range all {
		for _, port := range to.asked(c, ask.Port{}) {
			for _, from := range all {
				v.senders(from, to, port, false)
				pairs++
			}
		}
	}
	if t.Logf("%d questions about %d pairs", len(v.known), pairs); len(v.known) > pairs/4 {
		t.Error("too many questions")
	}
}

// How long the matrix of 2,000 pods takes where each is a workload of its own.
func BenchmarkWorkloads(b *testing.B) {
	s := samplecluster.New(samplecluster.Size{Pods: 2000, Policies: 300, Local: 30}, 1)
	c := ask.New(policy.Objects{Nodes: s.Nodes, Namespaces: s.Namespaces, Pods: s.Pods,
		Policies: s.Policies}, nil)
	b.ReportAllocs()
	for b.Loop() {
		Workloads(c, Limits{})
	}
}
