package oracle

import (
	"encoding/json"
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// ParsePolicy reads a policy in the short form of test tables: "namespace/name spec",
// the spec as YAML. An unknown field is an error.
func ParsePolicy(text string) (*networkingv1.NetworkPolicy, error) {
	id, spec, _ := strings.Cut(text, " ")
	p := &networkingv1.NetworkPolicy{}
	p.Namespace, p.Name, _ = strings.Cut(id, "/")
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		return nil, fmt.Errorf("policy %s: %w", id, err)
	}
	return p, nil
}

// String prints the world as one object a line, in the order of its fields:
// the kind, then the object as JSON. It is for reports of failed tests.
func (w *World) String() string {
	var b strings.Builder
	for _, ns := range w.Namespaces {
		printObject(&b, "Namespace", ns)
	}
	for _, p := range w.Pods {
		printObject(&b, "Pod", p)
	}
	for _, n := range w.Nodes {
		printObject(&b, "Node", n)
	}
	for _, p := range w.Policies {
		printObject(&b, "NetworkPolicy", p)
	}
	return b.String()
}

// printObject prints an object, or why it has no JSON (a port that is neither
// number nor name has none).
func printObject(b *strings.Builder, kind string, object any) {
	text, err := json.Marshal(object)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(b, "%s %s\n", kind, text)
}
