package manifests

import (
	"bytes"
	"cmp"
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Place is where something stands in a file. Line is 1-based; 0 where it is not known.
type Place struct {
	File string
	Line int
}

// Place returns where a field of an object stands: "spec.ingress[0].ports". Where the field is not
// written, it is the nearest field above it that is.
func (o Objects) Place(k Key, field string) Place {
	at := o.places[k]
	text, first := o.document(at)
	if text == nil {
		return Place{File: at.File}
	}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) != nil {
		return Place{File: at.File, Line: first}
	}
	object := findObject(&root, k, o.namespace)
	if object == nil {
		return Place{File: at.File, Line: first}
	}
	return Place{File: at.File, Line: first + lineOf(object, fieldPath(field)) - 1}
}

// Line returns the line of a problem if that is known, or else the one at which its document
// starts.
func (o Objects) Line(p Problem) int {
	text, first := o.document(p)
	var syntax *SyntaxError
	if errors.As(p.Err, &syntax) && syntax.Line > 0 && text != nil {
		return first + syntax.Line - 1
	}
	if bytes.HasPrefix(text, []byte("---\n")) {
		first++
	}
	return first
}

// document returns the text of a document and the line on which it starts.
func (o Objects) document(at Problem) (text []byte, first int) {
	data := o.texts[at.File]
	start := 0
	chunks := split(data, strings.EqualFold(filepath.Ext(at.File), ".json"))
	// The chunks stand in the text in their order.
	for i, c := range chunks {
		start += max(0, bytes.Index(data[start:], c.text))
		if i+1 == at.Document {
			return c.text, 1 + bytes.Count(data[:start], []byte("\n"))
		}
		start += len(c.text)
	}
	return nil, 0
}

// findObject finds the object of a key in a document: at the top, or in lists. namespace is that of
// objects that state none.
func findObject(n *yaml.Node, k Key, namespace string) *yaml.Node {
	switch n.Kind {
	case yaml.DocumentNode:
		return findObject(n.Content[0], k, namespace)
	case yaml.MappingNode:
		if isNamed(n, k, namespace) {
			return n
		}
		return findObject(orEmpty(valueOf(n, "items")), k, namespace)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if found := findObject(item, k, namespace); found != nil {
				return found
			}
		}
	}
	return nil
}

// isNamed reports whether a mapping is the object of a key. Items of a typed list have no kind.
func isNamed(n *yaml.Node, k Key, unstated string) bool {
	kind, meta := valueOf(n, "kind"), valueOf(n, "metadata")
	name, namespace := orEmpty(valueOf(meta, "name")), orEmpty(valueOf(meta, "namespace"))
	return name.Value == k.Name && (kind == nil || kind.Value == k.Kind.String()) &&
		(k.Namespace == "" ||
			cmp.Or(namespace.Value, unstated, metav1.NamespaceDefault) == k.Namespace)
}

// orEmpty returns a node that is there.
func orEmpty(n *yaml.Node) *yaml.Node {
	if n == nil {
		return &yaml.Node{}
	}
	return n
}

// valueOf returns the value of a key of a mapping; nil if it has none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// keyOf returns the node of a key itself, which stands on the line that people look for.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return nil
}

// pathPart is a name or an index of a field's path. A label in brackets is a name with dots.
var pathPart = regexp.MustCompile(`\[[^\]]*\]|[^.\[\]]+`)

// fieldPath splits the path of a field into names and indices ("[0]").
func fieldPath(field string) []string { return pathPart.FindAllString(field, -1) }

// lineOf returns the line of a field below a node, as far as the path can be followed.
func lineOf(n *yaml.Node, path []string) int {
	line := n.Line
	for _, part := range path {
		index, isIndex := strings.CutPrefix(strings.TrimSuffix(part, "]"), "[")
		if i, err := strconv.Atoi(index); isIndex && err == nil && n.Kind == yaml.SequenceNode {
			if i >= len(n.Content) {
				return line
			}
			n = n.Content[i]
			line = n.Line
			continue
		}
		key := keyOf(n, index)
		if key == nil {
			return line
		}
		n, line = valueOf(n, index), key.Line
	}
	return line
}
