package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"reflect"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apijson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What a problem of a policy says of its effect.
const (
	isolatesItsPods  = "; until this is mended the policy isolates its pods and allows nothing"
	isolatesEveryPod = "; until this is mended the policy isolates every pod of its namespace " +
		"and allows nothing"
)

// decodePolicy adds a NetworkPolicy. typeErr is what is wrong with its apiVersion and kind. A
// policy that an API server or kubectl would refuse is closed: it isolates and allows nothing.
// Left out, it would free the pods that it is meant to isolate, and what is left of it could
// allow too much.
func (d *document) decodePolicy(raw []byte, typeErr error, at place) {
	stated, err := decodeTree(raw)
	if err != nil {
		d.addProblem(at.String(), err)
		return
	}
	if d.duplicateKeys != nil {
		stated["spec"] = "unreadable" // of two values only the last one is left
		typeErr = d.duplicateKeys
	}
	errs := policyErrors(stated, typeErr)
	if len(errs) > 0 {
		d.addClosed(policySource{raw, stated, at}, errs)
		return
	}
	policy := &networkingv1.NetworkPolicy{}
	err = apijson.Unmarshal(raw, policy)
	d.complete(policy, Policy)
	key := Key{Kind: Policy, Namespace: policy.Namespace, Name: policy.Name}
	if err = errors.Join(err, checkNames(key)); err != nil {
		d.addClosed(policySource{raw, stated, at}, []error{err})
		return
	}
	d.entries = append(d.entries, entry{key: key, object: policy})
}

// policyErrors compares a policy with the API: its metadata as an API server does, the rest as
// kubectl does, which refuses unknown fields: one may have been meant to narrow a rule. The
// status, which Kubernetes 1.24 to 1.27 wrote, is left out.
func policyErrors(stated map[string]any, typeErr error) []error {
	if typeErr != nil {
		return []error{typeErr}
	}
	var lenient typeCheck
	lenient.check(stated["metadata"], reflect.TypeFor[metav1.ObjectMeta](),
		field.NewPath("metadata"))
	rest := maps.Clone(stated)
	delete(rest, "metadata")
	delete(rest, "status")
	strict := typeCheck{strict: true}
	strict.check(rest, reflect.TypeFor[networkingv1.NetworkPolicy](), nil)
	return append(lenient.errors(), strict.errors()...)
}

// policySource is a policy as a document states it.
type policySource struct {
	raw    []byte
	stated map[string]any // raw, decoded
	at     place
}

// addClosed adds, in place of a policy, one that allows nothing, and a problem for each error. If
// not even the namespace can be read, no pod is isolated.
func (d *document) addClosed(from policySource, errs []error) {
	key, ok := d.readKey(Policy, from.stated)
	effect, closedKey := "", Key{}
	if ok && isLabel(key.Namespace) {
		closed := &networkingv1.NetworkPolicy{}
		effect = closeSpec(&closed.Spec, from.stated)
		closed.Namespace, closed.Name = key.Namespace, key.Name
		if checkNames(key) != nil {
			sum := sha256.Sum256(from.raw)
			closed.Name = "unnamed-" + hex.EncodeToString(sum[:8])
		}
		d.complete(closed, Policy)
		closedKey = Key{Policy, closed.Namespace, closed.Name}
		d.entries = append(d.entries, entry{key: closedKey, object: closed})
	}
	title := d.readTitle(Policy, from.stated, from.at)
	for _, err := range errs {
		d.problems = append(d.problems,
			Problem{Object: title, Err: errors.New(err.Error() + effect), Closed: closedKey})
	}
}

// closeSpec makes a spec that isolates the pods that a policy selects, in the directions that it
// names, as far as they can be read; otherwise it isolates all pods of the namespace, in both
// directions.
func closeSpec(spec *networkingv1.NetworkPolicySpec, stated map[string]any) (effect string) {
	parts, isMapping := stated["spec"].(map[string]any)
	readable := (isMapping || stated["spec"] == nil) &&
		hasOnlyFields(stated, reflect.TypeFor[networkingv1.NetworkPolicy]())
	spec.PolicyTypes = policyTypes(parts, readable)
	if !readable || !decodeExactly(parts["podSelector"], &spec.PodSelector) {
		return isolatesEveryPod
	}
	return isolatesItsPods
}

// policyTypes returns the directions that a spec names, or the API's default for them. If they
// cannot be read it returns both.
func policyTypes(parts map[string]any, readable bool) []networkingv1.PolicyType {
	var types []networkingv1.PolicyType
	readable = decodeExactly(parts["policyTypes"], &types) && readable &&
		hasOnlyFields(parts, reflect.TypeFor[networkingv1.NetworkPolicySpec]())
	switch {
	case readable && len(types) > 0:
		return types
	case readable && parts["egress"] == nil:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	default:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress,
			networkingv1.PolicyTypeEgress}
	}
}

// hasOnlyFields reports whether a mapping has no other fields than a type: another one may be one
// of them, misspelt.
func hasOnlyFields(stated map[string]any, t reflect.Type) bool {
	for name := range stated {
		if _, known := fieldNamed(t, name); !known && name != "status" {
			return false
		}
	}
	return true
}
