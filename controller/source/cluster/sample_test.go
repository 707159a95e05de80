package cluster

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// badPolicy has a part that can't be understood.
var badPolicy = &networkingv1.NetworkPolicy{
	ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bad"},
	Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
		From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/33"}}},
	}}},
}
