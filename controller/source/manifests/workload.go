package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// Workload is an object that makes pods from a template.
type Workload struct {
	Key
	Template corev1.PodTemplateSpec
	Pods     int                    // how many it makes; of a DaemonSet: on each node
	owner    *metav1.OwnerReference // the workload that made it, if one did
}

// maxPods is how many pods stand for a workload at most: policies treat further ones alike.
const maxPods = 2

// newWorkload converts a Deployment or another object that makes pods.
func newWorkload(k Key, o runtime.Object) Workload {
	w := Workload{Key: k, Pods: 1}
	if meta, ok := o.(metav1.Object); ok {
		w.owner = metav1.GetControllerOf(meta)
	}
	switch o := o.(type) {
	case *appsv1.Deployment:
		w.Template, w.Pods = o.Spec.Template, int(ptr.Deref(o.Spec.Replicas, 1))
	case *appsv1.StatefulSet:
		w.Template, w.Pods = o.Spec.Template, int(ptr.Deref(o.Spec.Replicas, 1))
	case *appsv1.ReplicaSet:
		w.Template, w.Pods = o.Spec.Template, int(ptr.Deref(o.Spec.Replicas, 1))
	case *corev1.ReplicationController:
		w.Template = ptr.Deref(o.Spec.Template, corev1.PodTemplateSpec{})
		w.Pods = int(ptr.Deref(o.Spec.Replicas, 1))
	case *appsv1.DaemonSet:
		w.Template = o.Spec.Template
	case *batchv1.Job:
		w.Template, w.Pods = o.Spec.Template, int(ptr.Deref(o.Spec.Parallelism, 1))
	case *batchv1.CronJob:
		job := o.Spec.JobTemplate.Spec
		w.Template, w.Pods = job.Template, int(ptr.Deref(job.Parallelism, 1))
	}
	return w
}

// Expand returns the pods that stand for workloads, at most two for each, one on each node for a
// DaemonSet, and those workloads. The pods have the labels and spec of the template, and no
// address. A workload of which pods are stated, or whose owner is, gets none.
func (o Objects) Expand() (pods []*corev1.Pod, of []Workload) {
	taken := map[Key]bool{}
	for _, p := range o.Pods {
		taken[Key{Pod, p.Namespace, p.Name}] = true
	}
	for _, w := range o.Workloads {
		if o.hasOwner(w) || slices.ContainsFunc(o.Pods, w.owns) {
			continue
		}
		own := w.expand(o.Nodes, taken)
		if len(own) > 0 {
			pods, of = append(pods, own...), append(of, w)
		}
	}
	return pods, of
}

// hasOwner reports whether the owner of a workload is among the workloads.
func (o Objects) hasOwner(w Workload) bool {
	return w.owner != nil && slices.ContainsFunc(o.Workloads, func(other Workload) bool {
		return other.Namespace == w.Namespace && other.Name == w.owner.Name &&
			other.Kind.String() == w.owner.Kind
	})
}

// owns reports whether a pod is one of the workload's: it names the workload as its owner, or any
// owner and has the labels of the template (between a Deployment and its pods stands a
// ReplicaSet).
func (w Workload) owns(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil || p.Namespace != w.Namespace {
		return false
	}
	for key, value := range w.Template.Labels {
		if p.Labels[key] != value {
			return false
		}
	}
	return len(w.Template.Labels) > 0 || owner.Kind == w.Kind.String() && owner.Name == w.Name
}

// expand makes pods under names that are not taken, and takes these.
func (w Workload) expand(nodes []*corev1.Node, taken map[Key]bool) []*corev1.Pod {
	var pods []*corev1.Pod
	add := func(suffix, node string) {
		p := w.pod(suffix, node)
		if key := (Key{Pod, p.Namespace, p.Name}); !taken[key] {
			taken[key] = true
			pods = append(pods, p)
		}
	}
	if w.Kind == DaemonSet && len(nodes) > 0 {
		for _, n := range nodes {
			add(n.Name, n.Name)
		}
		return pods
	}
	for i := 1; len(pods) < min(w.Pods, maxPods); i++ {
		if w.Kind == StatefulSet {
			add(strconv.Itoa(i-1), "") // these count from 0
		} else {
			add(strconv.Itoa(i), "")
		}
	}
	return pods
}

// pod makes one of the workload's pods.
func (w Workload) pod(suffix, node string) *corev1.Pod {
	p := &corev1.Pod{Spec: *w.Template.Spec.DeepCopy()}
	p.Namespace, p.Name = w.Namespace, w.Name+"-"+suffix
	parser{}.complete(p, Pod)
	p.Labels = maps.Clone(w.Template.Labels)
	p.Spec.NodeName = node
	p.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: w.Kind.apiVersion(), Kind: w.Kind.String(), Name: w.Name,
		Controller: ptr.To(true),
	}}
	for key, value := range w.addedLabels(p.Name, suffix) {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[key] = value
	}
	return p
}

// addedLabels returns the labels that a controller adds to its pods, as far as they are
// predictable.
func (w Workload) addedLabels(pod, suffix string) map[string]string {
	switch w.Kind {
	case StatefulSet:
		return map[string]string{appsv1.StatefulSetPodNameLabel: pod, appsv1.PodIndexLabel: suffix}
	case Job:
		return map[string]string{batchv1.JobNameLabel: w.Name, "job-name": w.Name}
	default:
		return nil
	}
}

// String returns, for example, "Deployment shop/web".
func (w Workload) String() string { return fmt.Sprint(w.Key) }
