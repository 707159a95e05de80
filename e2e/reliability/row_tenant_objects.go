package main

import (
	"fmt"
	"net/netip"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/sandbox"
)

// tenants is one namespace with many pods, of which a few are on the first node, and policies that
// select all of them.
type tenants struct{ rules, pods int }

const (
	tenantSpace  = "tenant"
	tenantGroups = 50
	tenantLocals = 10  // pods of the first node
	tenantBatch  = 100 // pods, or rules, of one file
)

func (t tenants) podFiles() int { return (t.pods + tenantBatch - 1) / tenantBatch }

// files is how many there are: those of pods, and one of each policy.
func (t tenants) files() int { return t.podFiles() + t.rules/tenantBatch }

// put writes the n-th file. Every turn gives its pods or rules other groups. It is JSON: to read
// YAML would take the agents longer than all else, and an API server sends none.
func (t tenants) put(f folder, n, turn int) error {
	documents := []string{tenantPolicy(n-t.podFiles(), turn)}
	if n < t.podFiles() {
		documents = t.batchOfPods(n, turn)
	}
	for i := range documents {
		object, err := yaml.YAMLToJSON([]byte(documents[i]))
		if err != nil {
			return err
		}
		documents[i] = string(object)
	}
	return f.put(fmt.Sprintf("tenant-%d.json", n), strings.Join(documents, "\n"))
}

func (t tenants) batchOfPods(n, turn int) []string {
	documents := []string{namespace(tenantSpace)}
	if n > 0 {
		documents = nil
	}
	for i := n * tenantBatch; i < min(t.pods, (n+1)*tenantBatch); i++ {
		documents = append(documents, podManifest(tenantPod(i), "group", tenantGroup(i+turn)))
	}
	return documents
}

// tenantPod is a pod without a network namespace; all but the first are on nodes that do not exist.
func tenantPod(i int) sandbox.Pod {
	if i < tenantLocals {
		return sandbox.Pod{Name: fmt.Sprintf("%s/t%d", tenantSpace, i), Node: nodeName(1),
			Addrs: addrs(1, 60+i)}
	}
	return sandbox.Pod{Name: fmt.Sprintf("%s/t%d", tenantSpace, i),
		Node: nodeName(3 + i/tenantBatch), Addrs: []netip.Addr{
			netip.AddrFrom4([4]byte{10, 245, byte(i >> 8), byte(i)}),
			netip.MustParseAddr(fmt.Sprintf("fd00:10:245::%x", 1+i)),
		}}
}

func tenantGroup(n int) string { return fmt.Sprintf("g%d", n%tenantGroups) }

// tenantPolicy selects all pods of the namespace; no two of its rules can be merged.
func tenantPolicy(n, turn int) string {
	var rules []string
	for i := range tenantBatch {
		rules = append(rules,
			fmt.Sprintf("{from: [{podSelector: {matchLabels: {group: %s}}}], ports: [{port: %d}]}",
				tenantGroup(i+turn), 1+n*tenantBatch+i))
	}
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: %s, name: p%d}
spec: {podSelector: {}, ingress: [%s]}
`, tenantSpace, n, strings.Join(rules, ", "))
}
