package manifests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// podDocument is a pod of about the size that a cluster has, as YAML and as JSON.
func podDocument(tb testing.TB, i int) (asYAML, asJSON []byte) {
	asYAML = fmt.Appendf(nil, `apiVersion: v1
kind: Pod
metadata:
  name: web-%d
  namespace: team-%d
  uid: 0000-%d
  labels: {app: web, tier: front, pod-template-hash: "%d"}
  annotations: {example.com/owner: team}
spec:
  nodeName: node-%d
  containers:
  - name: main
    image: registry.example.com/web:1.2.3
    ports: [{name: http, containerPort: 8080, protocol: TCP}, {name: metrics, containerPort: 9090}]
    resources: {requests: {cpu: 100m, memory: 128Mi}}
    env: [{name: A, value: b}]
status:
  phase: Running
  startTime: "2024-01-01T00:00:00Z"
  podIP: 10.%d.%d.%d
  podIPs: [{ip: 10.%d.%d.%d}]
`, i, i%50, i, i, i%100, i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255)
	asJSON, err := yaml.YAMLToJSON(asYAML)
	must(tb, err)
	return asYAML, asJSON
}

const many = 10_000

// folders are the ways to state 10,000 pods.
func folders(b *testing.B) map[string]string {
	root := b.TempDir()
	var docs, list, items [][]byte
	for i := range many {
		y, j := podDocument(b, i)
		docs, items = append(docs, y), append(items, j)
		indented := bytes.ReplaceAll(bytes.TrimSpace(y), []byte("\n"), []byte("\n  "))
		list = append(list, append([]byte("- "), indented...))
	}
	named := map[string]map[string]string{
		"documents": {"pods.yaml": string(bytes.Join(docs, []byte("---\n")))},
		"yamllist": {"pods.yaml": "apiVersion: v1\nkind: List\nitems:\n" +
			string(bytes.Join(list, []byte("\n")))},
		"jsonlist": {"pods.json": `{"apiVersion":"v1","kind":"List","items":[` +
			string(bytes.Join(items, []byte(",\n"))) + "]}"},
		"files": {},
	}
	for i, doc := range docs {
		named["files"][fmt.Sprintf("pod-%05d.yaml", i)] = string(doc)
	}
	all := map[string]string{}
	for name, files := range named {
		all[name] = filepath.Join(root, name)
		write(b, all[name], files)
	}
	return all
}

func BenchmarkLoad10000Pods(b *testing.B) {
	for name, dir := range folders(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got, bad, err := Load(dir)
				if err != nil || len(bad) > 0 || len(got.Pods) != many {
					b.Fatal(len(got.Pods), bad, err)
				}
			}
		})
	}
}

// BenchmarkChangeAmong10000Pods is the time from the rename of one changed file to
// its Update, the pause that ends a burst of writes (5 ms) included.
func BenchmarkChangeAmong10000Pods(b *testing.B) {
	all := folders(b)
	for name, file := range map[string]string{"documents": "pods.yaml", "files": "pod-00007.yaml"} {
		b.Run(name, func(b *testing.B) {
			ctx, stop := context.WithCancel(context.Background())
			updates, done := make(chan Update, 1), make(chan error)
			go func() { done <- Watch(ctx, []string{all[name]}, func(u Update) { updates <- u }) }()
			if first := <-updates; len(first.Changes) != many {
				b.Fatal(len(first.Changes))
			}
			old, err := os.ReadFile(filepath.Join(all[name], file))
			must(b, err)
			next := 0
			for b.Loop() {
				next++
				node := fmt.Appendf(nil, "node-%d\n", 1000+next)
				swap(b, all[name], file, string(bytes.Replace(old, []byte("node-7\n"), node, 1)))
				select {
				case u := <-updates:
					if len(u.Changes) != 1 {
						b.Fatal(u)
					}
				case <-time.After(time.Minute):
					b.Fatal("no update")
				}
			}
			stop()
			must(b, <-done)
		})
	}
}
