package main

import (
	"testing"

	"github.com/picket-project/picket/controller/samplecluster"
)

// needKernel skips where no network namespace can be had.
func needKernel(b *testing.B) {
	b.Helper()
	kernel, err := openPicket()
	if err != nil {
		b.Skipf("SKIPPED, THE KERNEL IS NOT MEASURED: %v", err)
	}
	_ = kernel.close()
}

// From full caches to the first commit.
func BenchmarkFirstSync(b *testing.B) {
	needKernel(b)
	w := samplecluster.New(samplecluster.Sized(100_000), 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := start(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
}

// A policy comes to a node whose kernel holds everything, and goes.
func BenchmarkPolicy(b *testing.B) {
	needKernel(b)
	cases, err := policyCases(b.Context(), samplecluster.Sized(10_000))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.round(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
