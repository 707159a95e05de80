package apiserver

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/cmd/sandbox"
)

// RegisterPod tells the API server of a pod as scheduler and kubelet would: bound to its node, then
// running with its addresses. Its container has these ports.
func (s *Server) RegisterPod(
	ctx context.Context, p sandbox.Pod, labels map[string]string, ports ...corev1.ContainerPort,
) error {
	namespace, name, _ := strings.Cut(p.Name, "/")
	pods := s.Admin.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName:   p.Node,
			Containers: []corev1.Container{{Name: "c", Image: "none", Ports: ports}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, p.Addrs[0].String()
	for _, a := range p.Addrs {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a.String()})
	}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}
