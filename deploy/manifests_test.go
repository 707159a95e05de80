package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/types"
	sigsyaml "sigs.k8s.io/yaml"
)

// strict decodes manifests of the kinds that we use, and takes an unknown field for the mistake
// that it is.
func strict() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme,
		appsv1.AddToScheme, batchv1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// decode returns the objects of a manifest.
func decode(t *testing.T, name string, text []byte) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	decoder, reader := strict(), yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, document)
		}
		objects = append(objects, object)
	}
}

// only returns the one object of a type.
func only[Object runtime.Object](t *testing.T, objects []runtime.Object) Object {
	t.Helper()
	var found []Object
	for _, o := range objects {
		if o, ok := o.(Object); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects are a %T; expected one", len(found), *new(Object))
	}
	return found[0]
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func render(t *testing.T, folder string) []byte {
	t.Helper()
	text, err := Render(folder)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestManifestsAreValid reads every YAML file here, but those of the demo, as what it says it is.
func TestManifestsAreValid(t *testing.T) {
	paths := []string{Rendered, Cleanup}
	for _, pattern := range []string{"base/*", "overlays/*/*"} {
		found, _ := filepath.Glob(pattern)
		paths = append(paths, found...)
	}
	if len(paths) < 10 {
		t.Fatalf("only %d files: %v", len(paths), paths)
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			switch filepath.Base(path) {
			case "kustomization.yaml":
				var k types.Kustomization
				if err := k.Unmarshal(read(t, path)); err != nil {
					t.Error(err)
				}
			case "config.yaml":
				testK3sConfig(t, string(read(t, path)))
			default:
				if len(decode(t, path, read(t, path))) == 0 {
					t.Error("holds no object")
				}
			}
		})
	}
}

// testK3sConfig knows the keys that k3s does not check itself. The old rules are those of kube-router,
// so the commands that remove them are the ones that the reliability suite runs.
func testK3sConfig(t *testing.T, text string) {
	_, section, _ := strings.Cut(string(read(t, "docs/moving.md")), "\n**kube-router**")
	_, section, _ = strings.Cut(section, "\n```\n")
	commands, _, found := strings.Cut(section, "\n```\n")
	for line := range strings.Lines(commands) {
		if !found || !strings.Contains(text, "#        "+strings.TrimSpace(line)+"\n") {
			t.Errorf("the commands of docs/moving.md for kube-router are missing: %q", line)
		}
	}
	var got map[string]any
	if err := sigsyaml.UnmarshalStrict([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"disable-network-policy": true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodingIsStrict(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " +
			"a}\nautomountServiceAccountTokens: false\n",
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nmetadata: {name: b}\n",
		"apiVersion: v1\nkind: Serviceaccount\nmetadata: {name: a}\n",
	} {
		if _, _, err := strict().Decode([]byte(text), nil, nil); err == nil {
			t.Errorf("accepted:\n%s", text)
		}
	}
}

// TestFilesAreCurrent compares the files that are made from others with what they are made to now.
func TestFilesAreCurrent(t *testing.T) {
	files, err := Files(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if diff := cmp.Diff(string(want), string(read(t, name))); diff != "" {
			t.Errorf("%s is out of date; run: go run ./render\n%s", name, diff)
		}
	}
}

// TestOverlays holds what an overlay may change: nothing, as long as nothing is known to be
// different there, but for that of kernels without nf_tables, and where agents answer elsewhere.
func TestOverlays(t *testing.T) {
	folders, _ := filepath.Glob("overlays/*")
	if len(folders) < 5 {
		t.Fatalf("overlays: %v", folders)
	}
	base := string(render(t, "base"))
	for _, folder := range folders {
		text := string(render(t, folder))
		switch filepath.ToSlash(folder) {
		case "overlays/iptables":
			text = withoutIPTables(text)
		case nodeAddress, monitoring:
			continue // TestNodeAddressOverlays
		}
		if diff := cmp.Diff(base, text); diff != "" {
			t.Errorf("%s is not the base:\n%s", folder, diff)
		}
	}
}

// withoutIPTables takes out what the overlay for kernels without nf_tables adds: another image, a
// flag, a capability, and the lock of iptables, which is all that its agent has of the node.
func withoutIPTables(text string) string {
	for _, change := range [][2]string{
		{"        - --backend=auto\n", ""}, {"/picket-iptables:", "/picket:"},
		{"            - NET_RAW\n", ""},
		{"        volumeMounts:\n        - mountPath: /run/xtables.lock\n          name: xtables-lock\n", ""},
		{"      volumes:\n      - hostPath:\n          path: /run/xtables.lock\n" +
			"          type: FileOrCreate\n        name: xtables-lock\n", ""},
	} {
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text
}

func TestImageName(t *testing.T) {
	image, err := Image(".")
	if err != nil {
		t.Fatal(err)
	}
	objects := append(decode(t, Rendered, read(t, Rendered)),
		decode(t, Cleanup, read(t, Cleanup))...)
	got := []string{only[*appsv1.DaemonSet](t, objects).Spec.Template.Spec.Containers[0].Image,
		only[*batchv1.Job](t, objects).Spec.Template.Spec.Containers[0].Image}
	if diff := cmp.Diff([]string{image, image}, got); diff != "" {
		t.Error(diff)
	}
}

// TestImageNameIsMissing gives the name in ways that are no name.
func TestImageNameIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "expected one, with name and newTag",
		"images: [{name: a}]":              "expected one, with name and newTag",
		"images: [{newTag: v1}]":           "expected one, with name and newTag",
		"images: [{name: a, newTags: v1}]": "newTags",
		"images: [{name: a, newTag: v1}, {name: b, newTag: v1}]": "expected one, with name and newTag",
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "base"), 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "base", "kustomization.yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if name, err := Image(dir); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%q: %q, %v; expected an error with the path and %q", text, name, err, want)
		}
	}
	if _, err := Image(t.TempDir()); err == nil || !strings.Contains(err.Error(),
		"expected to run in the folder deploy") {
		t.Errorf("no file: %v", err)
	}
}

// TestEverythingIsInOnePlace: nothing outside of kube-system, and everything labelled as ours.
func TestEverythingIsInOnePlace(t *testing.T) {
	objects := slices.Concat(decode(t, Rendered, read(t, Rendered)),
		decode(t, Cleanup, read(t, Cleanup)), decode(t, monitoring, render(t, monitoring)))
	for _, object := range objects {
		meta := object.(interface {
			GetNamespace() string
			GetLabels() map[string]string
		})
		clusterWide := slices.Contains([]string{"ClusterRole", "ClusterRoleBinding"},
			object.GetObjectKind().GroupVersionKind().Kind)
		if want := map[bool]string{false: "kube-system"}[clusterWide]; meta.GetNamespace() != want {
			t.Errorf("%T is in namespace %q; expected %q", object, meta.GetNamespace(), want)
		}
		if meta.GetLabels()["app.kubernetes.io/name"] != "picket" {
			t.Errorf("%T has labels %v", object, meta.GetLabels())
		}
	}
}
