package sysdump

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// meta keeps what policies can depend on, and what tells versions apart.
func meta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, Labels: m.Labels,
		Generation: m.Generation, ResourceVersion: m.ResourceVersion, UID: m.UID,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		OwnerReferences: m.OwnerReferences}
}

// Pod keeps labels, addresses, the node and the ports of a pod.
func Pod(p *corev1.Pod) *corev1.Pod {
	kept := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: meta(p.ObjectMeta),
		Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP,
			PodIPs: p.Status.PodIPs, HostIP: p.Status.HostIP, StartTime: p.Status.StartTime}}
	// Names of ports can be what policies speak of.
	kept.Spec.Containers = containers(p.Spec.Containers)
	kept.Spec.InitContainers = containers(p.Spec.InitContainers)
	return kept
}

// containers keeps the names, ports and restart policies of containers.
func containers(all []corev1.Container) (kept []corev1.Container) {
	// An image can say more than its owner wants to be known.
	for _, c := range all {
		kept = append(kept, corev1.Container{Name: c.Name, Ports: c.Ports, RestartPolicy: c.RestartPolicy})
	}
	return kept
}

// Namespace keeps the labels of a namespace, and whether it terminates.
func Namespace(n *corev1.Namespace) *corev1.Namespace {
	kept := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: meta(n.ObjectMeta), Status: corev1.NamespaceStatus{Phase: n.Status.Phase}}
	kept.Annotations = audits(n.Annotations)
	return kept
}

// Node keeps the addresses and ranges of a node, and what runs it.
func Node(n *corev1.Node) *corev1.Node {
	return &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: meta(n.ObjectMeta),
		Spec:       corev1.NodeSpec{PodCIDR: n.Spec.PodCIDR, PodCIDRs: n.Spec.PodCIDRs},
		Status: corev1.NodeStatus{Addresses: n.Status.Addresses, NodeInfo: n.Status.NodeInfo,
			Conditions: n.Status.Conditions}}
}

// Service keeps the selector and the ports of a Service.
func Service(s *corev1.Service) *corev1.Service {
	return &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(s.ObjectMeta), Spec: corev1.ServiceSpec{Selector: s.Spec.Selector,
			Ports: s.Spec.Ports, ClusterIPs: s.Spec.ClusterIPs, Type: s.Spec.Type}}
}

// Policy keeps a policy with those of its annotations that change what it does.
func Policy(np *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	kept := &networkingv1.NetworkPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1",
		Kind: "NetworkPolicy"}, ObjectMeta: meta(np.ObjectMeta), Spec: np.Spec}
	kept.Annotations = audits(np.Annotations)
	return kept
}

// audits keeps the annotations that have policies audited. Others can hold anything.
func audits(annotations map[string]string) map[string]string {
	kept := maps.Clone(annotations)
	maps.DeleteFunc(kept, func(key, _ string) bool {
		return key != policy.AuditAnnotation && key != policy.MonitorAnnotation
	})
	return kept
}
