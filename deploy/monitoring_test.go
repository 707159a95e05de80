package deploy

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// nodeAddress has agents that answer on their node's address, and monitoring those and what makes
// Prometheus ask them.
const (
	nodeAddress = "overlays/node-address"
	monitoring  = "overlays/monitoring"
)

// onNodeAddress is what nodeAddress makes of the base's DaemonSet.
func onNodeAddress(set *appsv1.DaemonSet) *appsv1.DaemonSet {
	agent := &set.Spec.Template.Spec.Containers[0]
	agent.Args = []string{"agent", "--health-addr=[$(HOST_IP)]:9470"}
	agent.Env = append([]corev1.EnvVar{{Name: "HOST_IP", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}}}, agent.Env...)
	agent.Ports = []corev1.ContainerPort{
		{Name: "metrics", ContainerPort: 9470, HostPort: 9470}}
	for _, probe := range []*corev1.Probe{agent.LivenessProbe, agent.ReadinessProbe} {
		probe.HTTPGet.Host = "" // the pod's address, which is the node's
	}
	return set
}

// TestNodeAddressOverlays: they change where the agent answers, and nothing else.
func TestNodeAddressOverlays(t *testing.T) {
	want := onNodeAddress(daemonSet(t))
	base := decode(t, "base", render(t, "base"))
	for folder, more := range map[string]int{nodeAddress: 0, monitoring: 2} {
		objects := decode(t, folder, render(t, folder))
		if diff := cmp.Diff(want, only[*appsv1.DaemonSet](t, objects)); diff != "" {
			t.Errorf("%s: %s", folder, diff)
		}
		// The others are the same, wherever in the list they are.
		same := 0
		for _, have := range objects {
			for _, o := range base {
				if cmp.Equal(o, have) {
					same++
				}
			}
		}
		if same != len(base)-1 || len(objects) != len(base)+more {
			t.Errorf("%s: %d objects, %d of the base's %d", folder, len(objects), same, len(base))
		}
	}
}

// TestNodeAddressIsListenedOn: the flag's value is an address to listen on in both families.
func TestNodeAddressIsListenedOn(t *testing.T) {
	args := only[*appsv1.DaemonSet](t, decode(t, nodeAddress,
		render(t, nodeAddress))).Spec.Template.Spec.Containers[0].Args
	pattern, found := strings.CutPrefix(args[1], "--health-addr=")
	if !found {
		t.Fatalf("%q", args)
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		address := strings.NewReplacer("$(HOST_IP)", ip, ":9470", ":0").Replace(pattern)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := listener.Addr().(*net.TCPAddr).IP.String(); got != ip {
			t.Errorf("%s: listens on %s", address, got)
		}
		_ = listener.Close()
	}
}

// TestPodMonitor: it selects the agents and their port, and gives what they say the labels that the
// rules and the dashboard need.
func TestPodMonitor(t *testing.T) {
	objects := decode(t, monitoring, render(t, monitoring))
	monitor, set := only[*monitoringv1.PodMonitor](t, objects), only[*appsv1.DaemonSet](t, objects)
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if pod := labels.Set(set.Spec.Template.Labels); !selector.Matches(pod) ||
		pod[monitor.Spec.JobLabel] != "picket" {
		t.Errorf("%s does not select %v, or job is not picket", selector, pod)
	}
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	if port := set.Spec.Template.Spec.Containers[0].Ports[0].Name; *endpoint.Port != port {
		t.Errorf("port %s; expected %s", *endpoint.Port, port)
	}
	if relabel := endpoint.RelabelConfigs[0]; relabel.TargetLabel != "node" ||
		relabel.SourceLabels[0] != "__meta_kubernetes_pod_node_name" {
		t.Errorf("%+v", relabel)
	}
}

// TestPrometheusRule: the object has the rules of the file, all of them.
func TestPrometheusRule(t *testing.T) {
	object := only[*monitoringv1.PrometheusRule](t,
		decode(t, monitoring, render(t, monitoring)))
	got := map[string]string{}
	for _, group := range object.Spec.Groups {
		for _, rule := range group.Rules {
			got[rule.Alert] = rule.Expr.String()
		}
	}
	want := map[string]string{}
	for _, rule := range alerts(t) {
		want[rule.Alert] = rule.Expr
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
