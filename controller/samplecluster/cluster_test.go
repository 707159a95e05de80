package samplecluster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

func TestSameSeedSameCluster(t *testing.T) {
	size := samplecluster.Size{Pods: 1000, Policies: 100, Local: 50}
	if diff := cmp.Diff(samplecluster.New(size, 1), samplecluster.New(size, 1)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(samplecluster.New(size, 1), samplecluster.New(size, 2)) {
		t.Error("another seed makes the same cluster")
	}
}

// Counts are what was asked for, names and addresses are unique, and all that there is counts for
// policies.
func TestCounts(t *testing.T) {
	for _, size := range []samplecluster.Size{{200, 0, 1}, {200, 100, 200}, {1000, 100, 250},
		{3001, 4000, 7}, {20000, 2000, 250}} {
		s := snapshot(samplecluster.New(size, 1))
		names, addrs, local := map[string]bool{}, map[string]bool{}, 0
		for _, p := range s.Pods {
			names[p.String()], addrs[p.Addrs[0].String()] = true, true
			if p.Node == samplecluster.LocalNode {
				local++
			}
		}
		policies := map[string]bool{}
		for _, p := range s.Policies {
			policies[p.String()] = true
		}
		got := samplecluster.Size{Pods: len(names), Policies: len(policies), Local: local}
		if got != size || len(addrs) != size.Pods || len(s.Pods) != size.Pods {
			t.Errorf("%v: got %v with %d addresses", size, got, len(addrs))
		}
	}
}

func TestLikeRealOnes(t *testing.T) {
	w := samplecluster.New(samplecluster.Sized(20000), 1)
	apps, spaces := map[string]int{}, map[string]int{}
	for _, p := range w.Pods {
		apps[p.Labels["app"]]++
		spaces[p.Namespace]++
	}
	share := map[string]int{}
	for _, n := range apps {
		switch {
		case n <= 7:
			share["small"] += n
		case n <= 45:
			share["medium"] += n
		default:
			share["large"] += n
		}
	}
	near := func(what string, got, want int) {
		if got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: %d, expected about %d", what, got, want)
		}
	}
	near("pods of small applications", share["small"], 10000)
	near("pods of medium applications", share["medium"], 5000)
	near("pods of large applications", share["large"], 5000)
	for name, n := range spaces {
		if n > 3000 {
			t.Errorf("namespace %s has %d pods", name, n)
		}
	}
}

// The compiler has nothing to complain of, and the node's program speaks of pods, ports, blocks and
// everybody.
func TestProgram(t *testing.T) {
	w := samplecluster.New(samplecluster.Sized(2000), 1)
	program, problems := compile.Compile(snapshot(w))
	for _, p := range problems {
		t.Error(p)
	}
	text := program.String()
	for _, want := range []string{"all pods in all namespaces", "app=prometheus", "tcp 9090",
		"udp 53", "set cidrs4"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	g := graph.New(samplecluster.LocalNode, ruleset.Drop)
	for _, e := range events(w) {
		g.Apply(e)
	}
	if diff := cmp.Diff(text, g.Program().String()); diff != "" {
		t.Errorf("compiler -, graph +:\n%s", diff)
	}
}
