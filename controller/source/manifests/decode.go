package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apijson "k8s.io/apimachinery/pkg/util/json"
)

// entry is one object that a document states, complete and with names that an API server accepts.
type entry struct {
	key    Key
	object runtime.Object
}

// place is where in a document an object stands. The zero value is the top of the document.
type place struct {
	item  int // 1-based in its list
	depth int // lists around it
}

// maxDepth is how many lists may be inside each other: each level is parsed once more.
const maxDepth = 4

// String returns, for example, "item 3", and nothing for the top of the document.
func (p place) String() string {
	if p.item == 0 {
		return ""
	}
	return fmt.Sprintf("item %d", p.item)
}

// decode adds what one JSON value states. outer is what a typed list says of its items, which may
// lack their own apiVersion and kind.
func (d *document) decode(raw []byte, outer metav1.TypeMeta, at place) {
	meta, err := typeOf(raw, outer)
	if err != nil {
		d.addProblem(at.String(), err)
		return
	}
	switch kind, list, err := classify(meta); {
	case kind.isExtra() && !d.extras:
		d.skipped++
	case list && (err == nil || kind == Policy): // each policy gets the error of its list
		d.decodeList(raw, itemsOf(kind, meta), at)
	case kind == Policy:
		d.decodePolicy(raw, err, at)
	case err != nil:
		d.addProblem(at.String(), err)
	case kind != 0:
		d.decodeObject(raw, kind, at)
	default:
		d.skipped++
		d.noteForeign(raw, meta)
	}
}

// typeOf returns the apiVersion and kind of a JSON value, an item of a list of outer if that has
// a kind.
func typeOf(raw []byte, outer metav1.TypeMeta) (metav1.TypeMeta, error) {
	var meta metav1.TypeMeta
	if len(raw) == 0 || raw[0] != '{' {
		return meta, errors.New("not an object: expected a mapping with apiVersion and kind")
	}
	if err := apijson.Unmarshal(raw, &meta); err != nil {
		return meta, errors.Join(typeErrors(raw, reflect.TypeFor[metav1.TypeMeta](), err)...)
	}
	if outer.Kind == "" {
		return meta, nil
	}
	if meta.Kind != "" && meta.Kind != outer.Kind {
		return meta, fmt.Errorf("kind %q in a %sList: expected %s",
			short(meta.Kind, maxName), outer.Kind, outer.Kind)
	}
	if meta.APIVersion == "" {
		meta.APIVersion = outer.APIVersion
	}
	meta.Kind = outer.Kind
	return meta, nil
}

// classify returns which kept kind an object has (0: none), and whether it is a list: of that
// kind, or a v1 List of anything. With an error it has that kind, but an API server would refuse
// it.
func classify(meta metav1.TypeMeta) (kind Kind, list bool, err error) {
	name, list := strings.CutSuffix(meta.Kind, "List")
	kind = kindNamed(name)
	switch {
	case meta.Kind == "" || meta.APIVersion == "":
		return kind, list, fmt.Errorf("apiVersion %q, kind %q: expected both",
			short(meta.APIVersion, maxName), short(meta.Kind, maxName))
	case list && name == "":
		return 0, meta.APIVersion == corev1.SchemeGroupVersion.String(), nil
	case kind == 0 || !ofKubernetes(meta.APIVersion):
		return 0, false, nil // a kind of others, perhaps with that name
	case name != kind.String():
		return kind, list, fmt.Errorf("kind %q: expected %s",
			meta.Kind, strings.Replace(meta.Kind, name, kind.String(), 1))
	case meta.APIVersion != kind.apiVersion():
		return kind, list, fmt.Errorf("apiVersion %q of kind %s: expected %s",
			short(meta.APIVersion, maxName), meta.Kind, kind.apiVersion())
	default:
		return kind, list, nil
	}
}

// ofKubernetes reports whether an apiVersion is of a group in which Kubernetes has or had one of
// the kept kinds, or of one that only Kubernetes may use: groups without a dot and those under
// k8s.io are its own.
func ofKubernetes(apiVersion string) bool {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return true // malformed, so of no other group
	}
	group := strings.ToLower(gv.Group)
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// itemsOf returns what a list says of its items.
func itemsOf(kind Kind, list metav1.TypeMeta) metav1.TypeMeta {
	if kind == 0 {
		return metav1.TypeMeta{}
	}
	return metav1.TypeMeta{APIVersion: list.APIVersion, Kind: kind.String()}
}

// decodeList adds what each item of a list states.
func (d *document) decodeList(raw []byte, outer metav1.TypeMeta, at place) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := apijson.Unmarshal(raw, &list); err != nil {
		d.addProblem(at.String(), errors.Join(typeErrors(raw, reflect.TypeOf(list), err)...))
		return
	}
	if at.depth == maxDepth {
		d.addProblem(at.String(), fmt.Errorf("lists inside lists: expected %d levels at most",
			maxDepth))
		return
	}
	for i, item := range list.Items {
		d.decode(item, outer, place{item: i + 1, depth: at.depth + 1})
	}
}

// decodeObject adds an object of any kind but NetworkPolicy.
func (d *document) decodeObject(raw []byte, kind Kind, at place) {
	o := kind.New()
	if err := apijson.Unmarshal(raw, o); err != nil {
		stated, _ := decodeTree(raw)
		for _, e := range typeErrors(raw, reflect.TypeOf(o), err) {
			d.addProblem(d.readTitle(kind, stated, at), e)
		}
		return
	}
	d.complete(o, kind)
	key := Key{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
	if err := checkNames(key); err != nil {
		d.addProblem(key.title(at), err)
		return
	}
	d.entries = append(d.entries, entry{key: key, object: o})
	for _, err := range addressErrors(o) {
		d.addProblem(key.String(), err)
	}
}
