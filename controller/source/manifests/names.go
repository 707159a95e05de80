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

// readKey returns the key of an object as far as it can be read. ok is false if its namespace
// cannot be.
func (p parser) readKey(kind Kind, stated map[string]any) (key Key, ok bool) {
	meta, isMapping := stated["metadata"].(map[string]any)
	namespace, isText := meta["namespace"].(string)
	ok = (isMapping || stated["metadata"] == nil) && (isText || meta["namespace"] == nil)
	key = Key{Kind: kind}
	key.Name, _ = meta["name"].(string)
	if kind.namespaced() {
		key.Namespace = cmp.Or(namespace, p.namespace, metav1.NamespaceDefault)
	}
	return key, ok
}

// readTitle names an object that could not be decoded, as a problem shows it.
func (p parser) readTitle(kind Kind, stated map[string]any, at place) string {
	key, ok := p.readKey(kind, stated)
	if !ok {
		key.Name = ""
	}
	return key.title(at)
}

// title names an object as a problem shows it, by its place if it has no name.
func (k Key) title(at place) string {
	if k.Name == "" {
		return strings.TrimSpace(k.Kind.String() + " " + at.String())
	}
	k.Namespace, k.Name = short(k.Namespace, maxName), short(k.Name, maxName)
	return k.String()
}

// complete sets the type of an object, and its namespace as kubectl would: that of the input if it
// is empty, and none for an object of the whole cluster.
func (p parser) complete(o Object, kind Kind) {
	gvk := schema.FromAPIVersionAndKind(kind.apiVersion(), kind.String())
	o.GetObjectKind().SetGroupVersionKind(gvk)
	switch {
	case !kind.namespaced():
		o.SetNamespace(metav1.NamespaceNone)
	case o.GetNamespace() == "":
		o.SetNamespace(cmp.Or(p.namespace, metav1.NamespaceDefault))
	}
}

// checkNames checks that names are such as an API server accepts: other code joins them with a
// slash and makes names of kernel objects of them.
func checkNames(k Key) error {
	switch {
	case k.Kind.namespaced() && !isLabel(k.Namespace):
		return fmt.Errorf("metadata.namespace %q: expected a DNS label (RFC 1123)",
			short(k.Namespace, maxName))
	case k.Name == "":
		return errors.New("metadata.name is empty: expected a name")
	case k.Kind == Namespace && !isLabel(k.Name):
		return fmt.Errorf("metadata.name %q: expected a DNS label (RFC 1123)",
			short(k.Name, maxName))
	case !isSubdomain(k.Name):
		return fmt.Errorf("metadata.name %q: expected a DNS subdomain (RFC 1123)",
			short(k.Name, maxName))
	default:
		return nil
	}
}

// isLabel compares the length first: apimachinery would match its pattern against a name of 1 MiB.
func isLabel(name string) bool {
	return len(name) <= validation.DNS1123LabelMaxLength &&
		len(validation.IsDNS1123Label(name)) == 0
}

// isSubdomain compares the length first, as isLabel does.
func isSubdomain(name string) bool {
	return len(name) <= validation.DNS1123SubdomainMaxLength &&
		len(validation.IsDNS1123Subdomain(name)) == 0
}
