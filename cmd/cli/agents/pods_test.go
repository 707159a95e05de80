package agents

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Which pods hold an agent, in which container, and what is run there.
func TestContainerOfAnAgent(t *testing.T) {
	own := map[string]string{"app.kubernetes.io/name": "picket"}
	cleanup := map[string]string{"app.kubernetes.io/name": "picket", component: "cleanup"}
	flannel := map[string]string{"app": "flannel"}
	container := func(name string, command ...string) corev1.Container {
		return corev1.Container{Name: name, Command: command}
	}
	for _, c := range []struct {
		name       string
		labels     map[string]string
		containers []corev1.Container
		want       string // container and program; empty: there is no agent
	}{
		{"as shipped", own, []corev1.Container{container("proxy"), container("agent")},
			"agent /picket"},
		{"of another package", own, []corev1.Container{container("main", "/usr/bin/picket")},
			"main /usr/bin/picket"},
		{"the Job that cleans up", cleanup, []corev1.Container{container("cleanup")}, ""},
		{"without containers", own, nil, ""},
		{"by flannel's chart", flannel, []corev1.Container{container("kube-flannel", "/opt/bin/flanneld"),
			container("kube-network-policies", "/bin/netpol")}, "kube-network-policies /picket"},
		{"flannel alone", flannel, []corev1.Container{container("kube-flannel", "/opt/bin/flanneld")}, ""},
		{"flannel beside a container of that name", flannel, []corev1.Container{container("agent")}, ""},
	} {
		pods := []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Labels: c.labels},
			Spec: corev1.PodSpec{NodeName: "n1", Containers: c.containers}}}
		got := ""
		for _, pod := range onePerNode(pods) {
			in := agentContainer(pod)
			got = in.Name + " " + program(in)
		}
		if got != c.want {
			t.Errorf("%s: %q; expected %q", c.name, got, c.want)
		}
	}
}
