package main

import (
	"slices"
	"testing"
	"time"
)

func TestGoFiguresAreRead(t *testing.T) {
	var f goFigures
	for _, output := range []string{
		"goos: linux\nBenchmarkEvent/pods=10/pod_created-2 \t 5\t 100 ns/op\t 2.000 sets\t 16 " +
			"B/op\nPASS\n",
		"BenchmarkEvent/pods=10/pod_created 	 7	 300.5 ns/op	 2.000 sets\nBenchmarkOther-16 1 2 ns/op\n",
	} {
		if err := f.read(output); err != nil {
			t.Fatal(err)
		}
	}
	const name = "Event/pods=10/pod created"
	if !slices.Equal(f.names, []string{name, "Other"}) {
		t.Errorf("benchmarks %q", f.names)
	}
	if got := f.times(name, "ns/op"); !slices.Equal(got, samples{100, 300 * time.Nanosecond}) {
		t.Errorf("times %v", got)
	}
	if f.last(name, "sets") != 2 || f.iterations(name) != 12 || f.last(name, "members") != 0 {
		t.Errorf("sets %d, iterations %d", f.last(name, "sets"), f.iterations(name))
	}
	if err := f.read("--- SKIP: BenchmarkEvent\nPASS\n"); err == nil {
		t.Error("no figures are no error")
	}
}
