package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestSecurityContext has what both containers may do: the whole value, so that a field more is
// seen too.
func TestSecurityContext(t *testing.T) {
	yes, no, root := true, false, int64(0)
	want := &corev1.SecurityContext{
		Privileged:               &no,
		AllowPrivilegeEscalation: &no,
		ReadOnlyRootFilesystem:   &yes,
		RunAsUser:                &root,
		RunAsGroup:               &root,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"},
			Add: []corev1.Capability{"NET_ADMIN"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	for name, pod := range pods(t) {
		if diff := cmp.Diff(want, pod.Containers[0].SecurityContext); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if pod.SecurityContext != nil {
			t.Errorf("%s: the pod's own security context is %v; expected none", name,
				pod.SecurityContext)
		}
	}
}

// pods returns the pods that run the program.
func pods(t *testing.T) map[string]corev1.PodSpec {
	t.Helper()
	return map[string]corev1.PodSpec{
		"agent": only[*appsv1.DaemonSet](t,
			decode(t, Rendered, read(t, Rendered))).Spec.Template.Spec,
		"cleanup": only[*batchv1.Job](t, decode(t, Cleanup, read(t, Cleanup))).Spec.Template.Spec,
	}
}

// TestPods has a fact of a pod in each line, as text, for the agent and for the cleanup Job.
func TestPods(t *testing.T) {
	for _, fact := range []struct {
		name           string
		of             func(corev1.PodSpec) any
		agent, cleanup string
	}{
		{"one container", func(p corev1.PodSpec) any { return len(p.Containers) }, "1", "1"},
		{"no other containers", func(p corev1.PodSpec) any {
			return len(p.InitContainers) + len(p.EphemeralContainers)
		}, "0", "0"},
		{"nothing of the node is mounted, nothing is writable", func(p corev1.PodSpec) any {
			return len(p.Volumes) + len(p.Containers[0].VolumeMounts)
		}, "0", "0"},
		{"the node's network", func(p corev1.PodSpec) any { return p.HostNetwork }, "true", "true"},
		{"not its processes", func(p corev1.PodSpec) any {
			return p.HostPID || p.HostIPC || p.ShareProcessNamespace != nil
		}, "false", "false"},
		{"node DNS", func(p corev1.PodSpec) any { return p.DNSPolicy }, "Default", "Default"},
		{"token", func(p corev1.PodSpec) any {
			return *p.AutomountServiceAccountToken
		}, "true", "false"},
		{"account", func(p corev1.PodSpec) any { return p.ServiceAccountName }, "picket", ""},
		{"no service links", func(p corev1.PodSpec) any {
			return *p.EnableServiceLinks
		}, "false", "false"},
		{"priority", func(p corev1.PodSpec) any {
			return p.PriorityClassName
		}, "system-node-critical", "system-node-critical"},
		{"tolerates everything", func(p corev1.PodSpec) any {
			return p.Tolerations
		}, "[{ Exists   <nil>}]", "[{ Exists   <nil>}]"},
		{"where", func(p corev1.PodSpec) any {
			return p.NodeSelector["kubernetes.io/os"] + p.NodeName
		}, "linux", "NODE"},
		{"what it runs", func(p corev1.PodSpec) any {
			return append(p.Containers[0].Command, p.Containers[0].Args...)
		}, "[agent]", "[cleanup]"},
		{"no port to others", func(p corev1.PodSpec) any {
			return len(p.Containers[0].Ports)
		}, "0", "0"},
		{"no limit on the processor", func(p corev1.PodSpec) any {
			return p.Containers[0].Resources.Limits.Cpu().IsZero()
		}, "true", "true"},
		{"a limit on memory", func(p corev1.PodSpec) any {
			return p.Containers[0].Resources.Limits.Memory().IsZero()
		}, "false", "false"},
		{"pulled once", func(p corev1.PodSpec) any {
			return p.Containers[0].ImagePullPolicy
		}, "IfNotPresent", "IfNotPresent"},
	} {
		for name, pod := range pods(t) {
			want := map[string]string{"agent": fact.agent, "cleanup": fact.cleanup}[name]
			if got := fmt.Sprint(fact.of(pod)); got != want {
				t.Errorf("%s: %s: %s; expected %s", name, fact.name, got, want)
			}
		}
	}
}

// TestRights has all that the agent may ask the API for, and who may.
func TestRights(t *testing.T) {
	objects := decode(t, Rendered, read(t, Rendered))
	want := map[string]string{
		"/pods":                             "list watch",
		"/nodes":                            "list watch",
		"/namespaces":                       "list watch get",
		"networking.k8s.io/networkpolicies": "list watch",
		"/events":                           "create",
	}
	if diff := cmp.Diff(want, rights(only[*rbacv1.ClusterRole](t, objects))); diff != "" {
		t.Error(diff)
	}
	binding := only[*rbacv1.ClusterRoleBinding](t, objects)
	if diff := cmp.Diff([]rbacv1.Subject{{Kind: "ServiceAccount", Name: "picket",
		Namespace: "kube-system"}}, binding.Subjects); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole",
		Name: "picket"}, binding.RoleRef); diff != "" {
		t.Error(diff)
	}
	if account := only[*corev1.ServiceAccount](t, objects); *account.AutomountServiceAccountToken {
		t.Error("whoever names the account gets its token")
	}
	if len(objects) != 4 {
		t.Errorf("%d objects; expected an account, a role, a binding and a DaemonSet", len(objects))
	}
}

// rights lists a role's verbs by group/resource.
func rights(role *rbacv1.ClusterRole) map[string]string {
	list := map[string]string{}
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range append(rule.Resources, rule.NonResourceURLs...) {
				key := group + "/" + resource
				list[key] = strings.TrimSpace(list[key] + " " + strings.Join(rule.Verbs, " "))
			}
		}
	}
	return list
}
