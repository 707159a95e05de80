package sysdump

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// secret is in every place of a pod where people put secrets.
const secret = "hunter2"

// leaky is a pod with secrets where people put them.
func leaky() *corev1.Pod {
	c := corev1.Container{Name: "c", Image: "shop/" + secret, Command: []string{secret},
		Args: []string{"--password=" + secret}, Env: []corev1.EnvVar{{Name: "P", Value: secret}},
		Ports: []corev1.ContainerPort{{ContainerPort: 5432}}}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db",
		Labels: map[string]string{"app": "db"}, Annotations: map[string]string{"note": secret},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: secret}}},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{c},
			InitContainers: []corev1.Container{c}},
		Status: corev1.PodStatus{PodIP: "10.244.1.5", Message: secret}}
}

// What is asked for is in the archive, what could not be had is named in it, and no secret is.
func TestArchive(t *testing.T) {
	var out bytes.Buffer
	a := New(&out, "dump", time.Unix(1000, 0))
	audited := map[string]string{policy.AuditAnnotation: "true", "last-applied": secret}
	a.Objects(policy.Objects{Pods: []*corev1.Pod{leaky()},
		Namespaces: []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Annotations: audited}}},
		Policies: []*networkingv1.NetworkPolicy{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop",
			Name: "deny", Annotations: audited}}}}, nil)
	a.Text("nodes/n1/state.json", nil, errors.New("no agent runs here"))
	a.Text("nodes/n1/metrics.txt", []byte("half"), io.ErrUnexpectedEOF)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &out)
	for _, want := range []struct{ name, part string }{
		{"dump/cluster/pods.yaml", "podIP: 10.244.1.5"}, {"dump/cluster/pods.yaml", "app: db"},
		{"dump/cluster/pods.yaml", "containerPort: 5432"},
		// Without these the dump would say that what is audited is enforced.
		{"dump/cluster/policies.yaml", "picket.dev/audit: \"true\""},
		{"dump/cluster/namespaces.yaml", "picket.dev/audit: \"true\""},
		{"dump/nodes/n1/metrics.txt", "half"},
		{"dump/missing.txt", "nodes/n1/state.json: no agent runs here\n"},
		{"dump/missing.txt", "nodes/n1/metrics.txt: unexpected EOF\n"},
	} {
		if !strings.Contains(files[want.name], want.part) {
			t.Errorf("%s: %q; expected %q", want.name, files[want.name], want.part)
		}
	}
	if _, there := files["dump/nodes/n1/state.json"]; there {
		t.Error("a file without an answer is there")
	}
	for name, text := range files {
		if strings.Contains(text, secret) {
			t.Errorf("%s has a secret: %s", name, text)
		}
	}
}

// unpack reads an archive.
func unpack(t *testing.T, in io.Reader) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
}
