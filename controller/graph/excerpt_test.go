package graph_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// An excerpt decides as the whole program does, with the same reasons.
func TestAroundDecidesAsTheProgram(t *testing.T) {
	for i := range *histories {
		r := rand.New(rand.NewPCG(*seed+uint64(i), 11))
		g := graph.New("n1", ruleset.Drop)
		if i%2 == 0 {
			g.MergeAbove(1)
		}
		if i%3 == 0 {
			g.DenyUnknown()
		}
		for _, s := range steps(history(r), 1) {
			for _, e := range s.events {
				g.Apply(e)
			}
			compareAround(t, r, g)
		}
	}
}

func compareAround(t *testing.T, r *rand.Rand, g *graph.Graph) {
	t.Helper()
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.200")}
	for _, p := range g.Snapshot().Pods {
		addrs = append(addrs, p.Addrs...)
	}
	whole := g.Program()
	for range 30 {
		f := ruleset.Flow{From: addrs[r.IntN(len(addrs))], To: addrs[r.IntN(len(addrs))]}
		if r.IntN(4) > 0 {
			f.Proto, f.Port = ruleset.TCP, []uint16{53, 80, 443, 8080}[r.IntN(4)]
		}
		want, why := whole.Decide(f)
		got, because := g.Excerpt([]netip.Addr{f.From, f.To}).Decide(f)
		if want != got || fmt.Sprint(why) != fmt.Sprint(because) {
			t.Fatalf("%v: %v %v, the whole program: %v %v", f, got, because, want, why)
		}
	}
}
