package policy

import (
	"fmt"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset"
)

// Isolated says in which directions a pod was isolated, by ruleset.Direction.
type Isolated [2]bool

// Unnamed returns the pod that has an address of this node and that the API has forgotten, with the
// labels by which UnnamedPolicies select it. All that is known of it is how it was isolated.
func Unnamed(a netip.Addr, node string, was Isolated) Pod {
	labels := map[string]string{}
	for _, d := range ruleset.Directions {
		if was[d] {
			labels[d.String()] = ""
		}
	}
	return Pod{Key: StandInKey(a), Node: node, Labels: labels, Addrs: []netip.Addr{a}}
}

// UnnamedPolicies returns the policies that isolate such pods as they were and allow nothing. They
// are where no object can be.
func UnnamedPolicies() []*Policy {
	var policies []*Policy
	for _, d := range ruleset.Directions {
		name := Key{standIns, d.String() + "-before-restart"}
		policies = append(policies, denying(name, map[string]string{d.String(): ""}, d))
	}
	return policies
}

// LostPolicy returns a policy that isolates a pod in a direction and allows nothing, in the place
// of those that nobody can tell of any more. What selects a pod by labels that it must have selects
// all that have its labels, so this one does.
func LostPolicy(p Pod, d ruleset.Direction) *Policy {
	// No object has an underscore in its name.
	name := d.String() + "_before-restart_" + ruleset.Digest(fmt.Sprint(p.Labels))
	return denying(Key{p.Namespace, name}, p.Labels, d)
}

// denying returns a policy that denies pods with these labels everything in a direction.
func denying(name Key, labels map[string]string, d ruleset.Direction) *Policy {
	p := Parse(&networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: labels},
		},
	})
	p.Audit, p.Isolates = Enforced, Isolated{}
	p.Isolates[d] = true
	return p
}
