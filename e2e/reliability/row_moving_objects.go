package main

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/e2e/apiserver"
)

// register tells the API server of the nodes, the test pods and the policies about them.
func register(ctx context.Context, server *apiserver.Server) error {
	labels := map[string]string{"name": shop}
	_, err := server.Admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: shop, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for _, n := range nodes() {
		if err := server.RegisterNode(ctx, n); err != nil {
			return err
		}
	}
	for _, a := range testPods() {
		if err := server.RegisterPod(ctx, a.pod(), map[string]string{"app": a.app}); err != nil {
			return err
		}
	}
	return registerPolicies(ctx, server)
}

func registerPolicies(ctx context.Context, server *apiserver.Server) error {
	all := server.Admin.NetworkingV1().NetworkPolicies(shop)
	for text := range strings.SplitSeq(policies, "---\n") {
		var p networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			return err
		}
		if _, err := all.Create(ctx, &p, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
