package ask

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// Workload names what makes a pod. A pod that nothing makes is its own workload, of kind Pod.
type Workload struct{ Kind, Namespace, Name string }

// String is shop/api (Deployment), or shop/debug for a pod of its own.
func (w Workload) String() string {
	if w.Kind == "Pod" {
		return w.Key()
	}
	return w.Key() + " (" + w.Kind + ")"
}

// Key is namespace/name.
func (w Workload) Key() string { return w.Namespace + "/" + w.Name }

// WithKind is how a workload is asked about where others have its name: shop/cronjob/backup.
func (w Workload) WithKind() string {
	return w.Namespace + "/" + strings.ToLower(w.Kind) + "/" + w.Name
}

// Compare orders by namespace, name and kind.
func (w Workload) Compare(o Workload) int {
	return cmp.Or(strings.Compare(w.Namespace, o.Namespace), strings.Compare(w.Name, o.Name),
		strings.Compare(w.Kind, o.Kind))
}

// WorkloadOf returns what makes a pod. A ReplicaSet whose name ends with the hash of the pod's
// template is a Deployment's, a Job whose name ends with a time is a CronJob's.
func WorkloadOf(p *corev1.Pod) Workload {
	owner := metav1.GetControllerOf(p)
	// A static pod is owned by its node, which is no workload.
	if owner == nil || owner.Kind == "Node" {
		return Workload{"Pod", p.Namespace, p.Name}
	}
	hash := p.Labels["pod-template-hash"]
	name, isDeployments := strings.CutSuffix(owner.Name, "-"+hash)
	cron, isCron := policy.CronJobOf(owner.Name)
	switch {
	case owner.Kind == "ReplicaSet" && hash != "" && isDeployments:
		return Workload{"Deployment", p.Namespace, name}
	case owner.Kind == "Job" && isCron:
		return Workload{"CronJob", p.Namespace, cron}
	default:
		return Workload{owner.Kind, p.Namespace, owner.Name}
	}
}

// kinds are the words by which a workload can be named, as kubectl has them.
var kinds = map[string]string{
	"deployment": "Deployment", "deployments": "Deployment", "deploy": "Deployment",
	"statefulset": "StatefulSet", "statefulsets": "StatefulSet", "sts": "StatefulSet",
	"daemonset": "DaemonSet", "daemonsets": "DaemonSet", "ds": "DaemonSet",
	"replicaset": "ReplicaSet", "replicasets": "ReplicaSet", "rs": "ReplicaSet",
	"replicationcontroller": "ReplicationController", "rc": "ReplicationController",
	"job": "Job", "jobs": "Job", "cronjob": "CronJob", "cronjobs": "CronJob", "cj": "CronJob",
	"pod": "Pod", "pods": "Pod", "po": "Pod",
	"service": "Service", "services": "Service", "svc": "Service",
}

// volatileLabels are those that controllers give to pods, and that no policy should ask for: they
// change with every version, or name one pod.
var volatileLabels = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation",
	"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-uid",
	"batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name",
	"batch.kubernetes.io/job-completion-index",
}

// IsVolatile reports whether a label is one that a controller gives to a pod, not its author.
func IsVolatile(label string) bool {
	for _, v := range volatileLabels {
		if label == v {
			return true
		}
	}
	return false
}
