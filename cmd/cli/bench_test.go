package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/picket-project/picket/controller/samplecluster"
)

// sample writes a cluster of 2,000 pods, their Services and 300 policies as kubectl get -o json does. SAMPLE keeps
// the file, so that the program itself can be measured with it.
func sample(b *testing.B) string {
	b.Helper()
	s := samplecluster.New(samplecluster.Size{Pods: 2000, Policies: 300, Local: 30}, 1)
	var items []any
	keep := func(o interface {
		metav1.Object
		GetObjectKind() schema.ObjectKind
	}, apiVersion, kind string) {
		o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(apiVersion, kind))
		items = append(items, o)
	}
	for _, n := range s.Namespaces {
		keep(n, "v1", "Namespace")
	}
	for _, n := range s.Nodes {
		keep(n, "v1", "Node")
	}
	for _, p := range s.Pods {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet",
			Name: p.Labels["app"] + "-" + p.Labels["pod-template-hash"], Controller: ptr.To(true)}}
		keep(p, "v1", "Pod")
	}
	// Every application has a Service, and port 9090 of rules is no declared port of most.
	served := map[string]bool{}
	for _, p := range s.Pods {
		if name := p.Labels["app"]; !served[p.Namespace+name] {
			served[p.Namespace+name] = true
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name}}
			service.Spec.Selector = map[string]string{"app": name}
			service.Spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
			keep(service, "v1", "Service")
		}
	}
	for _, p := range s.Policies {
		keep(p, "networking.k8s.io/v1", "NetworkPolicy")
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "cluster.json")
	if kept := os.Getenv("SAMPLE"); kept != "" {
		path = kept
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// Every verb reads 2,000 pods, their Services and 300 policies, and answers, within a second.
func BenchmarkVerbs(b *testing.B) {
	path := sample(b)
	for _, line := range []string{
		"why team-16/deploy/app-202 team-4/deploy/app-54:8080",
		"who-can kube-system/kube-dns:53/udp", "reach team-16/app-202", "coverage", "lint", "matrix", "report",
		"diff --base FILE --delete team-16/default-deny",
	} {
		name, _, _ := strings.Cut(line, " ")
		line = strings.ReplaceAll(line, "FILE", path)
		if name != "diff" {
			line += " -f " + path
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if code, _, stderr := picket(strings.Fields(line)...); code == 2 {
					b.Fatal(stderr)
				}
			}
		})
	}
}
