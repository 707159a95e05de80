package main

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/controller/samplecluster"
)

// addPodFields gives pods what every real one has and Picket has no use for, so that they weigh as
// much on the wire: two to three kilobytes each, half of which is who has set which field
// (managedFields).
func addPodFields(w samplecluster.Cluster) {
	for i, p := range w.Pods {
		p.UID = types.UID(fmt.Sprintf("%08x-1d5e-4b7a-9c3f-%012x", i, i))
		p.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000+int64(i), 0))
		p.Status.StartTime = &p.CreationTimestamp
		owner := p.Name[:strings.LastIndex(p.Name, "-")]
		controls := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet",
			Name: owner, UID: p.UID, Controller: &controls}}
		p.Annotations = map[string]string{"prometheus.io/scrape": "true",
			"kubectl.kubernetes.io/restartedAt": "2026-11-20T08:00:00Z"}
		p.Spec.Containers[0].Image = "registry.example.com/" + p.Labels["app"] + ":" +
			p.Labels["app.kubernetes.io/version"]
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "APP", Value: p.Labels["app"]},
			{Name: "DATABASE_URL", Value: "postgres://db." + p.Namespace + ".svc:5432/app"}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: p.Spec.Containers[0].Name, Ready: true, Image: p.Spec.Containers[0].Image,
			ImageID:     "sha256:" + strings.Repeat("ab", 32),
			ContainerID: "containerd://" + strings.Repeat("cd", 32),
		}}
		for _, kind := range []corev1.PodConditionType{"PodReadyToStartContainers",
			corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
			p.Status.Conditions = append(p.Status.Conditions,
				corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue,
					LastTransitionTime: p.CreationTimestamp})
		}
	}
}

// addManagedFields adds who has set which field, which a real API server does by itself.
func addManagedFields(w samplecluster.Cluster) {
	fields := func(size int) *metav1.FieldsV1 {
		return metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{` +
			strings.Repeat(`"f:app.kubernetes.io/name":{},`, size/30) + `".":{}}}}`)
	}
	for _, p := range w.Pods {
		p.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: "kube-controller-manager", Operation: "Update", APIVersion: "v1",
				FieldsType: "FieldsV1", FieldsV1: fields(900)},
			{Manager: "kubelet", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1",
				FieldsV1: fields(600), Subresource: "status"},
		}
	}
}
