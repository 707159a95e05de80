package sandbox

import (
	"testing"
	"time"
)

// BenchmarkTruthTable is 9 pods on 3 nodes, each to each, TCP and UDP, IPv4 and IPv6.
func BenchmarkTruthTable(b *testing.B) {
	c := newCluster(b, threeNodes())
	pods := podsPerNode(3)
	start(b, c, pods...)
	probes := allPairs(pods)
	for b.Loop() {
		for i, got := range run(b, c, 200*time.Millisecond, probes...) {
			if got != Open {
				b.Errorf("%s: %s", probes[i], got)
			}
		}
	}
	b.ReportMetric(float64(len(probes)), "probes/op")
}

func BenchmarkPodComesAndGoes(b *testing.B) {
	c := newCluster(b, threeNodes())
	var added, deleted time.Duration
	for b.Loop() {
		began := time.Now()
		if err := c.AddPod(podOn("a", 0)); err != nil {
			b.Fatal(err)
		}
		added += time.Since(began)
		began = time.Now()
		if err := c.DeletePod("default/a0"); err != nil {
			b.Fatal(err)
		}
		deleted += time.Since(began)
	}
	b.ReportMetric(float64(added.Microseconds())/float64(b.N), "add-µs/op")
	b.ReportMetric(float64(deleted.Microseconds())/float64(b.N), "delete-µs/op")
}

func BenchmarkClusterOfThree(b *testing.B) {
	needKernel(b)
	for b.Loop() {
		c, err := New(threeNodes())
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
