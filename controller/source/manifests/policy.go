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

// What becomes of a policy that is closed.
const (
	ofItsPods  = "; until this is mended the policy isolates its pods and allows nothing"
	ofEveryPod = "; until this is mended the policy isolates every pod of its namespace and allows nothing"
)

// decodePolicy adds a NetworkPolicy; fault is what is wrong with its apiVersion and kind. One whose form an API
// server or kubectl would refuse is closed: left out it would free the pods that it is to isolate, and what is
// left of it could allow more than it says.
func (d *document) decodePolicy(raw []byte, fault error, at place) {
	stated, err := tree(raw)
	if err != nil {
		d.fail(at.String(), err)
		return
	}
	if d.repeats != nil {
		stated["spec"] = "illegible" // of two values only the last one is left
		fault = d.repeats
	}
	faults := policyFaults(stated, fault)
	if len(faults) > 0 {
		d.addClosed(raw, stated, faults, at)
		return
	}
	policy := &networkingv1.NetworkPolicy{}
	err = apijson.Unmarshal(raw, policy)
	complete(policy, Policy)
	key := Key{Kind: Policy, Namespace: policy.Namespace, Name: policy.Name}
	if err = errors.Join(err, checkNames(key)); err != nil {
		d.addClosed(raw, stated, []error{err}, at)
		return
	}
	d.entries = append(d.entries, entry{key: key, object: policy})
}

// policyFaults compares a policy with the API: its metadata as an API server does, the rest as kubectl does,
// for a field that nobody knows may be what was to narrow a rule. Kubernetes 1.24 to 1.27 wrote a status.
func policyFaults(stated map[string]any, fault error) []error {
	if fault != nil {
		return []error{fault}
	}
	var lenient shape
	lenient.check(stated["metadata"], reflect.TypeFor[metav1.ObjectMeta](), field.NewPath("metadata"))
	rest := maps.Clone(stated)
	delete(rest, "metadata")
	delete(rest, "status")
	strict := shape{strict: true}
	strict.check(rest, reflect.TypeFor[networkingv1.NetworkPolicy](), nil)
	return append(lenient.faults(), strict.faults()...)
}

// addClosed adds, in place of a policy, one that allows nothing, and says so with each fault. Nobody is
// isolated where not even the namespace can be read.
func (d *document) addClosed(raw []byte, stated map[string]any, faults []error, at place) {
	key, known := identity(Policy, stated)
	effect := ""
	if known && isLabel(key.Namespace) {
		closed := &networkingv1.NetworkPolicy{}
		effect = closeSpec(&closed.Spec, stated)
		closed.Namespace, closed.Name = key.Namespace, key.Name
		if checkNames(key) != nil {
			sum := sha256.Sum256(raw)
			closed.Name = "unnamed-" + hex.EncodeToString(sum[:8])
		}
		complete(closed, Policy)
		d.entries = append(d.entries, entry{key: Key{Policy, closed.Namespace, closed.Name}, object: closed})
	}
	for _, fault := range faults {
		d.fail(title(Policy, stated, at), errors.New(fault.Error()+effect))
	}
}

// closeSpec isolates the pods that a policy selects in the directions that it names, as far as that can be read.
func closeSpec(spec *networkingv1.NetworkPolicySpec, stated map[string]any) (effect string) {
	parts, isMapping := stated["spec"].(map[string]any)
	legible := (isMapping || stated["spec"] == nil) && hasOnly(stated, reflect.TypeFor[networkingv1.NetworkPolicy]())
	spec.PolicyTypes = directions(parts, legible)
	if !legible || !sound(parts["podSelector"], &spec.PodSelector) {
		return ofEveryPod
	}
	return ofItsPods
}

// directions are policyTypes, or what stands for them where they are absent; both where that cannot be told.
func directions(parts map[string]any, legible bool) []networkingv1.PolicyType {
	var types []networkingv1.PolicyType
	legible = sound(parts["policyTypes"], &types) && legible && hasOnly(parts, reflect.TypeFor[networkingv1.NetworkPolicySpec]())
	switch {
	case legible && len(types) > 0:
		return types
	case legible && parts["egress"] == nil:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	default:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
}

// hasOnly reports whether a mapping has no other fields than a type: one more may be one of them misspelt.
func hasOnly(stated map[string]any, t reflect.Type) bool {
	for name := range stated {
		if _, known := fieldNamed(t, name); !known && name != "status" {
			return false
		}
	}
	return true
}
