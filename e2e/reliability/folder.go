package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/picket-project/picket/cmd/sandbox"
)

// folder is the manifests that the agents watch.
type folder struct{ dir string }

// put writes a file, all at once: by a rename, as a careful editor does it.
func (f folder) put(name string, documents ...string) error {
	hidden := filepath.Join(f.dir, "."+name)
	return errors.Join(
		os.WriteFile(hidden, []byte(strings.Join(documents, "---\n")), 0o644),
		os.Rename(hidden, filepath.Join(f.dir, name)))
}

// drop removes a file; it need not be there.
func (f folder) drop(name string) error {
	err := os.Remove(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// populate writes what never changes: nodes, namespaces, test pods and the policies that say what
// is forbidden.
func (f folder) populate() error {
	documents := []string{namespace(shop), namespace(crowdSpace)}
	for _, n := range nodes() {
		documents = append(documents, nodeManifest(n))
	}
	for _, a := range testPods() {
		documents = append(documents, podManifest(a.pod(), "app", a.app))
	}
	return f.put("pods.yaml", append(documents, policies)...)
}

// policies make every flow what the list of flows says that it is.
const policies = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 80}, {port: 80, protocol: UDP}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: client}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}, {port: 80, protocol: UDP}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: caged}
spec: {podSelector: {matchLabels: {app: caged}}, policyTypes: [Egress]}
`

func namespace(name string) string {
	return fmt.Sprintf(
		"{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {name: %[1]s}}}\n", name)
}

func nodeManifest(n sandbox.Node) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %s}
spec: {podCIDRs: [%q, %q]}
status: {addresses: [{type: InternalIP, address: %q}, {type: InternalIP, address: %q}]}
`, n.Name, n.PodCIDRs[0], n.PodCIDRs[1], n.Addrs[0], n.Addrs[1])
}

// podManifest is a running pod with one label.
func podManifest(p sandbox.Pod, label, value string) string {
	space, name, _ := strings.Cut(p.Name, "/")
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s, labels: {%s: %q}}
spec: {nodeName: %s, containers: [{name: c, image: none}]}
status: {phase: Running, podIPs: [{ip: %q}, {ip: %q}]}
`, space, name, label, value, p.Node, p.Addrs[0], p.Addrs[1])
}
