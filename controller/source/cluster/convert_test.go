package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Equal labels and ports are in memory once, and equal pods have the same hash.
func TestEqualPodsShare(t *testing.T) {
	c := newConverter()
	convert := func(name string, ports ...corev1.ContainerPort) *object {
		p := versioned(name, "1")
		p.Labels = map[string]string{"app": "web", "tier": "front"}
		p.Spec.Containers = []corev1.Container{{Ports: ports}}
		n, err := c.convert(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	http := corev1.ContainerPort{Name: "http", ContainerPort: 80}
	same, again, other := convert("a", http), convert("a", http), convert("a")
	if same.content != again.content {
		t.Error("equal pods have different hashes")
	}
	if same.content == other.content || same.content == convert("b", http).content {
		t.Error("different pods have one hash")
	}
	if len(c.labels.values) != 1 || len(c.ports.values) != 2 {
		t.Errorf("%d kinds of labels, %d of ports", len(c.labels.values), len(c.ports.values))
	}
}
