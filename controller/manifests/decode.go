package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apijson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation"
)

// entry is one object that a document states.
type entry struct {
	key    Key
	object runtime.Object
}

// place is where in a document an object stands. The zero value is its top.
type place struct {
	item  int // 1-based in its list
	depth int // lists around it
}

// maxDepth bounds lists in lists: each level reads its text once more.
const maxDepth = 4

// String is "item 3", or nothing at the top of the document.
func (p place) String() string {
	if p.item == 0 {
		return ""
	}
	return fmt.Sprintf("item %d", p.item)
}

// decode adds what one JSON value states. outer is what a typed list says of its
// items, which may leave their apiVersion and kind out.
func (d *document) decode(raw []byte, outer metav1.TypeMeta, at place) {
	meta, err := typeOf(raw, outer)
	if err != nil {
		d.fail(at.String(), err)
		return
	}
	switch kind, list, err := classify(meta); {
	case err != nil:
		d.fail(at.String(), err)
	case list:
		d.decodeList(raw, kind, at)
	case kind != 0:
		d.decodeObject(raw, kind, at)
	default:
		d.skipped++
	}
}

func typeOf(raw []byte, outer metav1.TypeMeta) (metav1.TypeMeta, error) {
	var meta metav1.TypeMeta
	if len(raw) == 0 || raw[0] != '{' {
		return meta, errors.New("not an object: expected a mapping with apiVersion and kind")
	}
	if err := apijson.Unmarshal(raw, &meta); err != nil {
		return meta, fmt.Errorf("decode apiVersion and kind: %w", err)
	}
	if outer.Kind == "" {
		return meta, nil
	}
	if meta.Kind != "" && meta.Kind != outer.Kind {
		return meta, fmt.Errorf("kind %q in a %sList: expected %s", meta.Kind, outer.Kind, outer.Kind)
	}
	if meta.APIVersion == "" {
		meta.APIVersion = outer.APIVersion
	}
	meta.Kind = outer.Kind
	return meta, nil
}

// classify says which kept kind an object has (0: none), and whether it is a
// list: of that kind, or v1 List of anything.
func classify(meta metav1.TypeMeta) (kind Kind, list bool, err error) {
	if meta.Kind == "" || meta.APIVersion == "" {
		return 0, false, fmt.Errorf("apiVersion %q, kind %q: expected both", meta.APIVersion, meta.Kind)
	}
	name, list := strings.CutSuffix(meta.Kind, "List")
	if list && name == "" {
		return 0, meta.APIVersion == corev1.SchemeGroupVersion.String(), nil
	}
	kind = kindNamed(name)
	switch {
	case kind == 0:
		return 0, false, nil
	case meta.APIVersion == kind.apiVersion():
		return kind, list, nil
	case ofKubernetes(meta.APIVersion):
		return 0, false, fmt.Errorf("apiVersion %q of kind %s: expected %s", meta.APIVersion, meta.Kind, kind.apiVersion())
	default:
		return 0, false, nil // somebody else's kind of that name
	}
}

// ofKubernetes says whether an apiVersion is of a group in which Kubernetes has
// or had one of the kept kinds.
func ofKubernetes(apiVersion string) bool {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return true // malformed: nobody's
	}
	return gv.Group == corev1.GroupName || gv.Group == networkingv1.GroupName || gv.Group == "extensions"
}

func (d *document) decodeList(raw []byte, kind Kind, at place) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := apijson.Unmarshal(raw, &list); err != nil {
		d.fail(at.String(), fmt.Errorf("decode list: %w", err))
		return
	}
	if at.depth == maxDepth {
		d.fail(at.String(), fmt.Errorf("lists inside lists: expected %d levels at most", maxDepth))
		return
	}
	var outer metav1.TypeMeta
	if kind != 0 {
		outer = metav1.TypeMeta{APIVersion: kind.apiVersion(), Kind: kind.String()}
	}
	for i, item := range list.Items {
		d.decode(item, outer, place{item: i + 1, depth: at.depth + 1})
	}
}

func (d *document) decodeObject(raw []byte, kind Kind, at place) {
	o := kind.blank()
	// A value of the wrong type does not stop the decoder: the name is set
	// wherever it can be read, also if err says that something else is wrong.
	err := apijson.Unmarshal(raw, o)
	complete(o, kind)
	key := Key{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
	if err != nil {
		err = fmt.Errorf("decode: %w", err)
	} else {
		err = checkNames(key)
	}
	if err == nil {
		d.entries = append(d.entries, entry{key: key, object: o})
		return
	}
	what := key.String()
	if key.Name == "" {
		what = strings.TrimSpace(kind.String() + " " + at.String())
	}
	d.fail(what, err)
}

// complete sets the little that an object cannot do without: its type, and its
// namespace as the API server would (empty for what has none).
func complete(o object, kind Kind) {
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
	if k.Kind.namespaced() && len(validation.IsDNS1123Label(k.Namespace)) > 0 {
		return fmt.Errorf("metadata.namespace %q: expected a DNS label (RFC 1123)", k.Namespace)
	}
	switch {
	case k.Name == "":
		return errors.New("metadata.name is empty: expected a name")
	case k.Kind == Namespace && len(validation.IsDNS1123Label(k.Name)) > 0:
		return fmt.Errorf("metadata.name %q: expected a DNS label (RFC 1123)", k.Name)
	case len(validation.IsDNS1123Subdomain(k.Name)) > 0:
		return fmt.Errorf("metadata.name %q: expected a DNS subdomain (RFC 1123)", k.Name)
	default:
		return nil
	}
}
