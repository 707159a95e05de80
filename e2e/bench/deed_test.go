package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/controller/samplecluster"
)

// After a deed everything is as before, whatever the size of the cluster, and each step touches the same number of sets
// in each: this is what makes clusters of different sizes comparable.
func TestDeeds(t *testing.T) {
	small, large := newTown(samplecluster.Sized(200)), newTown(samplecluster.Sized(1000))
	for _, d := range deeds(small.node) {
		t.Run(d.steps[0], func(t *testing.T) {
			for step := range d.steps {
				if a, b := small.weigh(d, step).sets, large.weigh(d, step).sets; a != b || a == 0 {
					t.Errorf("%s: %d sets in a small cluster, %d in a larger one", d.steps[step], a, b)
				}
			}
		})
	}
	for _, pair := range []struct {
		town
		pods int
	}{{small, 200}, {large, 1000}} {
		if diff := cmp.Diff(newTown(samplecluster.Sized(pair.pods)).graph.Program().String(), pair.graph.Program().String()); diff != "" {
			t.Errorf("%d pods: before -, after the deeds +\n%s", pair.pods, diff)
		}
	}
}

// A deed with all of its steps, in a small and in a large cluster.
func BenchmarkDeed(b *testing.B) {
	for _, pods := range []int{1000, 100_000} {
		t := newTown(samplecluster.Sized(pods))
		for _, d := range deeds(t.node) {
			b.Run(fmt.Sprintf("%s/pods=%d", d.steps[0], pods), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					for _, e := range d.events(i) {
						t.do(e)
					}
				}
			})
		}
	}
}
