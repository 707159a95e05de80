package oracle

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// worlds draws that many worlds and returns them.
func worlds(count int, size Size) []*World {
	var drawn []*World
	for seed := range count {
		drawn = append(drawn, Random(rand.New(rand.NewPCG(1, uint64(seed))), size))
	}
	return drawn
}

func TestRandomShowsEachFeature(t *testing.T) {
	seen := features{}
	for _, w := range worlds(2000, Size{}) {
		seen.world(w)
	}
	if len(seen) < 100 {
		t.Errorf("only %d features are counted", len(seen))
	}
	for name, count := range seen {
		if count < 20 {
			t.Errorf("%q: shown %d times", name, count)
		}
	}
}

func TestRandomKeepsToSize(t *testing.T) {
	size := Size{Namespaces: 2, Pods: 3, Nodes: 1, Policies: 2, Valid: true, Dual: true,
		NoSCTP: true}
	seen, r := features{}, rand.New(rand.NewPCG(2, 0))
	for _, w := range worlds(200, size) {
		for range 4 {
			seen.world(w)
			if len(w.namespaceNames()) > 2 || len(w.Pods) > 3 || len(w.Nodes) > 1 ||
				len(w.Policies) > 2 {
				t.Fatalf("too large:\n%v", w)
			}
			w = size.Edit(r, w)
		}
	}
	for name, count := range seen {
		unwanted := strings.HasPrefix(name, "bad") || strings.HasPrefix(name, "single") ||
			strings.Contains(name, "SCTP")
		if unwanted && count > 0 {
			t.Errorf("%q: shown %d times", name, count)
		}
	}
}

func TestRandomLargeSize(t *testing.T) {
	largest := 0
	for _, w := range worlds(10, Size{Namespaces: 50, Pods: 200, Nodes: 20, Policies: 50}) {
		largest = max(largest, len(w.Pods))
	}
	if largest < 50 {
		t.Errorf("at most %d pods", largest)
	}
}

func TestRandomRepeats(t *testing.T) {
	a, b := worlds(50, Size{}), worlds(50, Size{})
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed, two worlds")
	}
}

// Both verdicts have to be frequent, or nothing is tested.
func TestRandomVerdicts(t *testing.T) {
	seen := features{}
	for _, w := range worlds(60, Size{}) {
		for _, f := range sample(w.Flows(), 200) {
			seen[verdict(w, f)]++
			out, in := w.EgressAudited(f), w.IngressAudited(f)
			seen.note("audit-egress", out)
			seen.note("audit-ingress", in)
			seen.note("audited, and denied", (out || in) && !w.Allowed(f))
		}
	}
	for _, want := range []string{"audit-egress", "audit-ingress", "audited, and denied"} {
		if seen[want] < 25 {
			t.Errorf("%s: %d of %v", want, seen[want], seen)
		}
	}
	for _, want := range []string{"allow", "deny-egress", "deny-ingress", "deny-both"} {
		if seen[want] < 100 {
			t.Errorf("%s: %d of %v", want, seen[want], seen)
		}
	}
}

// The same verdict each time, whatever the order of the objects.
func TestAllowedIsDeterministic(t *testing.T) {
	for _, w := range worlds(30, Size{}) {
		reversed := w.clone()
		slices.Reverse(reversed.Namespaces)
		slices.Reverse(reversed.Pods)
		slices.Reverse(reversed.Nodes)
		slices.Reverse(reversed.Policies)
		for _, f := range sample(w.Flows(), 100) {
			first, again, other := verdict(w, f), verdict(w, f), verdict(reversed, f)
			if first != again || first != other {
				t.Fatalf("%v: %s, then %s, reversed %s\n%v", f, first, again, other, w)
			}
			if w.Allowed(f) != (first == "allow") {
				t.Fatalf("%v: halves %s, whole %v", f, first, w.Allowed(f))
			}
		}
	}
}

// verdict says which halves of the flow are allowed.
func verdict(w *World, f Flow) string {
	halves := map[[2]bool]string{
		{true, true}:   "allow",
		{false, true}:  "deny-egress",
		{true, false}:  "deny-ingress",
		{false, false}: "deny-both",
	}
	return halves[[2]bool{w.EgressAllowed(f), w.IngressAllowed(f)}]
}

// sample returns about that many of the flows, evenly spread.
func sample(flows []Flow, count int) []Flow {
	var picked []Flow
	for i := 0; i < len(flows); i += 1 + len(flows)/count {
		picked = append(picked, flows[i])
	}
	return picked
}

// BenchmarkAllowed is how long the slow second opinion takes for one flow.
func BenchmarkAllowed(b *testing.B) {
	w := worlds(1, Size{})[0]
	flows := w.Flows()
	for i := 0; b.Loop(); i++ {
		w.Allowed(flows[i%len(flows)])
	}
}
