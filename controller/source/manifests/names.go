package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// identity is what an object calls itself, as far as that can be read; known is
// false where its namespace cannot.
func identity(kind Kind, stated map[string]any) (key Key, known bool) {
	meta, isMapping := stated["metadata"].(map[string]any)
	namespace, isText := meta["namespace"].(string)
	known = (isMapping || stated["metadata"] == nil) && (isText || meta["namespace"] == nil)
	key = Key{Kind: kind}
	key.Name, _ = meta["name"].(string)
	if kind.namespaced() {
		key.Namespace = cmp.Or(namespace, metav1.NamespaceDefault)
	}
	return key, known
}

// title names an object that could not be decoded.
func title(kind Kind, stated map[string]any, at place) string {
	key, known := identity(kind, stated)
	if !known {
		key.Name = ""
	}
	return key.title(at)
}

// title names an object to people, by its place where it has no name.
func (k Key) title(at place) string {
	if k.Name == "" {
		return strings.TrimSpace(k.Kind.String() + " " + at.String())
	}
	k.Namespace, k.Name = short(k.Namespace, maxName), short(k.Name, maxName)
	return k.String()
}

// complete sets the little that an object cannot do without: its type, and its
// namespace as the API server would (empty for what has none).
func complete(o Object, kind Kind) {
	o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(kind.apiVersion(), kind.String()))
	switch {
	case !kind.namespaced():
		o.SetNamespace(metav1.NamespaceNone)
	case o.GetNamespace() == "":
		o.SetNamespace(metav1.NamespaceDefault)
	}
}

// checkNames holds names to what an API server accepts: whoever joins them with
// a slash, or makes a kernel object's name of them, relies on it.
func checkNames(k Key) error {
	switch {
	case k.Kind.namespaced() && !isLabel(k.Namespace):
		return fmt.Errorf("metadata.namespace %q: expected a DNS label (RFC 1123)", short(k.Namespace, maxName))
	case k.Name == "":
		return errors.New("metadata.name is empty: expected a name")
	case k.Kind == Namespace && !isLabel(k.Name):
		return fmt.Errorf("metadata.name %q: expected a DNS label (RFC 1123)", short(k.Name, maxName))
	case !isSubdomain(k.Name):
		return fmt.Errorf("metadata.name %q: expected a DNS subdomain (RFC 1123)", short(k.Name, maxName))
	default:
		return nil
	}
}

// The length comes first: apimachinery would run its pattern over a name of 1 MiB.
func isLabel(name string) bool {
	return len(name) <= validation.DNS1123LabelMaxLength && len(validation.IsDNS1123Label(name)) == 0
}

func isSubdomain(name string) bool {
	return len(name) <= validation.DNS1123SubdomainMaxLength && len(validation.IsDNS1123Subdomain(name)) == 0
}
