package compile_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	worlds = flag.Int("worlds", 2000, "random worlds to compare with the oracle")
	seed   = flag.Uint64("seed", 1,
		"of the first random world; -worlds=1 asks about this one alone")
)

// The kernels' answer, as the compiled programs of all nodes give it, is the one that the
// text of the API gives, for the pairs of addresses, protocols and ports of small random
// worlds.
func TestProgramsDecideAsTheOracle(t *testing.T) {
	var next atomic.Int64
	var failed atomic.Bool
	tallies := make([]tally, runtime.GOMAXPROCS(0))
	t.Run("worlds", func(t *testing.T) {
		for shard := range tallies {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < int64(*worlds) &&
					!failed.Load(); i = next.Add(1) - 1 {
					if err := compareWorld(*seed+uint64(i), &tallies[shard]); err != nil &&
						!failed.Swap(true) {
						t.Fatal(err)
					}
				}
			})
		}
	})
	var total tally
	for _, shard := range tallies {
		total.add(shard)
	}
	t.Logf("%d worlds: %v", *worlds, total)
	if !t.Failed() && *worlds >= 500 {
		total.isTelling(t)
	}
}

// drawWorld draws the world of a seed. Each test has its own stream of random numbers, which goes on
// for what the test draws afterwards.
func drawWorld(seed, stream uint64) (*rand.Rand, *oracle.World) {
	r := rand.New(rand.NewPCG(seed, stream))
	return r, oracle.Random(r, sizes[seed%uint64(len(sizes))])
}

// compareWorld draws the world of a seed and compares. The error holds all that there is to
// say.
func compareWorld(seed uint64, count *tally) error {
	r, w := drawWorld(seed, 0)
	flows := w.Flows()
	if seed%wholeWorld != 0 {
		flows = sample(r, w, flows, 250)
	}
	if wrong := compare(w, flows, count); wrong != nil {
		return fmt.Errorf("-seed=%d -worlds=1: %w\n%s", seed, wrong, w)
	}
	return nil
}

// sizes are what the worlds are drawn from in turn. Small ones are compared fast, and a
// mistake shows in them as well; the largest (zero: 4 namespaces, 9 pods, 3 nodes, 5
// policies) have what needs many objects.
var sizes = []oracle.Size{
	{},
	{Namespaces: 1, Pods: 2, Nodes: 1, Policies: 3},
	{Namespaces: 2, Pods: 3, Nodes: 2, Policies: 6},
	{Namespaces: 1, Pods: 3, Nodes: 1, Policies: 6},
	{Namespaces: 2, Pods: 4, Nodes: 2, Policies: 6, Dual: true},
	{Namespaces: 2, Pods: 4, Nodes: 2, Policies: 6, Valid: true},
	{Namespaces: 1, Pods: 4, Nodes: 2, Policies: 4},
}

// wholeWorld is how often a world is asked about all of its flows, not about a sample.
const wholeWorld = 101

// tally counts what a comparison has seen.
type tally struct {
	flows  int
	denied int
	free   int // allowed since no policy isolates an end
	ruled  int // allowed by a rule of a policy
	// let through, and counted: policies that are audited would deny it
	audited int
}

func (t *tally) add(o tally) {
	t.flows, t.denied, t.free, t.ruled = t.flows+o.flows, t.denied+o.denied, t.free+o.free, t.ruled+
		o.ruled
	t.audited += o.audited
}

func (t tally) String() string {
	share := func(n int) float64 { return 100 * float64(n) / float64(max(t.flows, 1)) }
	return fmt.Sprintf("%d flows, %.1f%% denied, %.1f%% free, %.1f%% allowed by a rule, "+
		"%.1f%% audited", t.flows, share(t.denied), share(t.free), share(t.ruled), share(t.audited))
}

// isTelling fails where one answer to everything would do nearly as well.
func (t tally) isTelling(tb testing.TB) {
	if t.denied < t.flows/5 || t.free < t.flows/5 || t.ruled < t.flows/20 ||
		t.audited < t.flows/50 {
		tb.Errorf("the comparison says too little: %v", t)
	}
}

// A backend that can't look ports up is given longer chains, which decide alike.
func TestWithoutPortMapsProgramsDecideAsTheOracle(t *testing.T) {
	maps := 0
	for i := range max(*worlds/10, 1) {
		s := *seed + uint64(i)
		r, w := drawWorld(s, 6)
		snapshot := compile.SnapshotOf(policy.Objects(*w), "")
		snapshot.MergeAbove = 1
		for _, p := range programsOfNodes(w, snapshot) {
			maps += countPortMaps(p)
		}
		snapshot.Form.PortMaps = false
		programs := programsOfNodes(w, snapshot)
		for _, p := range programs {
			if countPortMaps(p) > 0 {
				t.Fatalf("-seed=%d: looks ports up\n%s", s, p)
			}
		}
		for _, f := range sample(r, w, w.Flows(), 100) {
			if got, traces := decide(programs, f); got != w.Allowed(f) {
				t.Fatalf("-seed=%d: %v: allowed %t by %v\n%v", s, f, got, traces, w)
			}
		}
	}
	if maps < *worlds/50 {
		t.Errorf("with port maps there are %d in %d worlds: that says too little", maps, *worlds/10)
	}
}

func countPortMaps(p *ruleset.Program) (maps int) {
	for _, s := range p.Sets {
		if s.ID.Leads() {
			maps++
		}
	}
	return maps
}

func TestRandomWorldsRepeat(t *testing.T) {
	for s := range uint64(20) {
		var a, b tally
		if err := compareWorld(s, &a); err != nil {
			t.Fatal(err)
		}
		if err := compareWorld(s, &b); err != nil || a != b {
			t.Errorf("-seed=%d: %v, then %v (%v)", s, a, b, err)
		}
	}
}
