package reach_test

import (
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

const worlds = 200

// opinion asks the oracle whether a pod reaches another one.
func opinion(w *oracle.World, from, to ask.Pod, port ask.Port) bool {
	proto := corev1.Protocol("")
	switch port.Protocol {
	case ruleset.TCP:
		proto = corev1.ProtocolTCP
	case ruleset.UDP:
		proto = corev1.ProtocolUDP
	case ruleset.SCTP:
		proto = corev1.ProtocolSCTP
	}
	flows := ask.Flows(from.Addrs, to.Addrs, port)
	for _, f := range flows {
		if !w.Allowed(oracle.Flow{From: f.From, To: f.To, Protocol: proto, Port: int32(f.Port)}) {
			return false
		}
	}
	return len(flows) > 0
}

// What WhoCan and From count is what the oracle says of every pod.
func TestCountsAreTheOracles(t *testing.T) {
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 22))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0})
		c := ask.New(policy.Objects(*w), nil)
		if len(c.Pods) == 0 {
			continue
		}
		p := c.Pods[r.IntN(len(c.Pods))]
		to, err := c.Target(p.Key.String()+":80", "")
		if err != nil {
			continue // two pods have one name
		}
		got := map[string]int{}
		for _, row := range reach.WhoCan(c, to).Workloads {
			got[row.Workload] = row.Pods
		}
		port := ask.Port{Protocol: ruleset.TCP, Number: 80}
		for _, from := range c.Pods {
			want := 0
			if opinion(w, from, p, port) {
				want = 1
			}
			if got[from.Workload.String()] != want {
				t.Fatalf("world %d: %s to %s: %d, the oracle says %d", seed, from.Key, p.Key,
					got[from.Workload.String()], want)
			}
		}
		checkFrom(t, w, c, p)
	}
}

// checkFrom compares what a pod reaches with what the oracle allows it.
func checkFrom(t *testing.T, w *oracle.World, c *ask.Cluster, p ask.Pod) {
	t.Helper()
	end, err := c.End(p.Key.String(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, row := range reach.From(c, end).Workloads {
		got[row.Workload] = row.Ports
	}
	for _, to := range c.Pods {
		var want []string
		for _, port := range append([]ask.Port{{}}, to.Ports...) {
			if opinion(w, p, to, port) {
				want = append(want, port.String())
			}
		}
		ports := got[to.Workload.String()]
		every := len(ports) > 0 && ports[0] == reach.EveryPort
		if every != (len(want) > 0 && want[0] == "icmp") || !every && len(ports) != len(want) {
			t.Fatalf("%s to %s: %v, the oracle says %v", p.Key, to.Key, ports, want)
		}
	}
}
