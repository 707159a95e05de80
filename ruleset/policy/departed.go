package policy

import (
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
		one := Parse(&networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: standIns, Name: d.String() + "-before-restart"},
			Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{
				MatchLabels: map[string]string{d.String(): ""},
			}},
		})
		one.Isolates = Isolated{}
		one.Isolates[d] = true
		policies = append(policies, one)
	}
	return policies
}
