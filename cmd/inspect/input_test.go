package inspect_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/controller/source/manifests"
)

// Which addresses of nodes are made up is known, also of a workload beside pods that state
// addresses; what a Node or a pod states is none of them.
func TestMadeUpAddressesOfNodes(t *testing.T) {
	const host = `
---
{apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: x}, spec: {hostNetwork: true, nodeName: n1}}
`
	for text, want := range map[string][]string{
		host: {"n1", "n1"},
		host + `---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
`: nil,
		`{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: x}, spec: {nodeName: n1}, status: {podIP: 10.1.0.5}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: x}, spec: {selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {hostNetwork: true, nodeName: n1}}}}
`: {"n1"},
	} {
		in, err := inspect.Read(manifests.Input{Texts: []manifests.Text{{Name: "t", YAML: []byte(text)}}})
		if err == nil {
			err = in.Complete()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Values(in.MadeUpNodes)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, in.MadeUpNodes, want)
		}
		for a := range in.MadeUpNodes {
			if a == netip.MustParseAddr("192.168.0.1") || a == netip.MustParseAddr("10.1.0.5") {
				t.Errorf("%s is stated", a)
			}
		}
	}
}
