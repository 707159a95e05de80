package controller

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/policy"
)

// Mail is an alias: most tests have a variable named source.
type Mail = source.Mail

// deny is a policy that isolates every pod of its namespace for ingress.
func deny(namespace, name string) *policy.Policy {
	return policy.Parse(
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			Name: name}})
}

// badPolicy has a part that can't be understood.
var badPolicy = &networkingv1.NetworkPolicy{
	ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bad"},
	Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
		From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/33"}}},
	}}},
}

const allowWeb = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-web}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
`
