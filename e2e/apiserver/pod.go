package apiserver

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	if err := s.addHostIPs(ctx, pod); err != nil {
		return err
	}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// RegisterNode tells the API server of a node, with the ranges of its pods and its addresses.
func (s *Server) RegisterNode(ctx context.Context, n sandbox.Node) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
	for _, p := range n.PodCIDRs {
		node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, p.String())
	}
	node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
	nodes := s.Admin.CoreV1().Nodes()
	node, err := nodes.Create(ctx, node, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for _, a := range n.Addrs {
		node.Status.Addresses = append(node.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}

// addHostIPs gives a pod the addresses of its node, as a kubelet does, where that is registered.
func (s *Server) addHostIPs(ctx context.Context, pod *corev1.Pod) error {
	node, err := s.Admin.CoreV1().Nodes().Get(ctx, pod.Spec.NodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			pod.Status.HostIPs = append(pod.Status.HostIPs, corev1.HostIP{IP: a.Address})
		}
	}
	if len(pod.Status.HostIPs) > 0 {
		pod.Status.HostIP = pod.Status.HostIPs[0].IP
	}
	return nil
}
