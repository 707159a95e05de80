package deploy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func daemonSet(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	return only[*appsv1.DaemonSet](t, decode(t, Rendered, read(t, Rendered)))
}

// TestSelector: the DaemonSet has its own pods, and not those of the cleanup Job.
func TestSelector(t *testing.T) {
	set := daemonSet(t)
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	job := only[*batchv1.Job](t, decode(t, Cleanup, read(t, Cleanup)))
	if !selector.Matches(labels.Set(set.Spec.Template.Labels)) ||
		selector.Matches(labels.Set(job.Spec.Template.Labels)) {
		t.Errorf("%s; the agent has %v, the Job %v", selector, set.Spec.Template.Labels,
			job.Spec.Template.Labels)
	}
}

// TestProbes asks where the agent answers, on the node only.
func TestProbes(t *testing.T) {
	agent := daemonSet(t).Spec.Template.Spec.Containers[0]
	for path, probe := range map[string]*corev1.Probe{"/healthz": agent.LivenessProbe,
		"/readyz": agent.ReadinessProbe} {
		want := &corev1.HTTPGetAction{Host: "127.0.0.1", Port: intstr.FromInt32(9470), Path: path}
		if diff := cmp.Diff(want, probe.HTTPGet); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	alive := agent.LivenessProbe
	if patience := time.Duration(
		alive.PeriodSeconds*alive.FailureThreshold) * time.Second; patience < 3*time.Minute {
		t.Errorf("an agent that starts slowly is killed after %s", patience)
	}
}

// TestRollout: one writer a kernel, and a version must last before the next node gets it.
func TestRollout(t *testing.T) {
	spec := daemonSet(t).Spec
	rolling := spec.UpdateStrategy.RollingUpdate
	if rolling.MaxSurge != nil {
		t.Errorf("maxSurge %v: two agents on a node", rolling.MaxSurge)
	}
	for nodes, want := range map[int]int{1: 1, 10: 1, 11: 2, 500: 50} {
		if got, err := intstr.GetScaledValueFromIntOrPercent(rolling.MaxUnavailable, nodes,
			true); got != want || err != nil {
			t.Errorf("%d of %d nodes at once (%v); expected %d", got, nodes, err, want)
		}
	}
	if spec.MinReadySeconds < 10 || *spec.Template.Spec.TerminationGracePeriodSeconds > 10 {
		t.Errorf("minReadySeconds %d, terminationGracePeriodSeconds %d", spec.MinReadySeconds,
			*spec.Template.Spec.TerminationGracePeriodSeconds)
	}
}

// TestEnvironment: the node's name, and a bound for Go's memory that leaves the kernel a quarter of
// the limit.
func TestEnvironment(t *testing.T) {
	agent := daemonSet(t).Spec.Template.Spec.Containers[0]
	limit := agent.Resources.Limits.Memory().Value()
	for _, variable := range agent.Env {
		switch variable.Name {
		case "NODE_NAME":
			if field := variable.ValueFrom.FieldRef.FieldPath; field != "spec.nodeName" {
				t.Errorf("NODE_NAME is %s", field)
			}
		case "GOMEMLIMIT":
			if soft := goMemory(t, variable.Value); soft > limit*3/4 || soft < limit/2 {
				t.Errorf("GOMEMLIMIT %s is %d; the container's limit %d", variable.Value, soft,
					limit)
			}
		default:
			t.Errorf("unexpected variable %s", variable.Name)
		}
	}
	if len(agent.Env) != 2 {
		t.Errorf("%d variables; expected NODE_NAME and GOMEMLIMIT", len(agent.Env))
	}
}

// goMemory reads a limit as Go's runtime would: 300MiB, where Kubernetes writes 300Mi.
func goMemory(t *testing.T, text string) int64 {
	t.Helper()
	kubernetes, ok := strings.CutSuffix(text, "iB")
	quantity, err := resource.ParseQuantity(kubernetes + "i")
	if !ok || err != nil {
		t.Fatalf("GOMEMLIMIT %s (%v); expected a number and MiB or GiB", text, err)
	}
	return quantity.Value()
}
