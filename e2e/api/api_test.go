package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/sandbox"
)

// world is a server, two agents and three pods: web and near on n1, far on n2.
type world struct {
	*testing.T
	*server
	agents []*agent
	pods   map[string]sandbox.Pod
}

const port = 8080

func newWorld(t *testing.T) *world {
	cluster := newCluster(t)
	w := &world{T: t, server: startServer(t, cluster), pods: map[string]sandbox.Pod{}}
	w.grant([]string{"pods", "namespaces", "nodes", "networkpolicies"})
	w.namespace("shop")
	for n := 1; n <= 2; n++ {
		w.node(fmt.Sprintf("n%d", n), fmt.Sprintf("10.77.0.1%d", n), fmt.Sprintf("fd77::1%d", n))
	}
	w.pod("web", "n1", 5)
	w.pod("near", "n1", 6)
	w.pod("far", "n2", 5)
	for _, node := range []string{"n1", "n2"} {
		w.agents = append(w.agents, startAgent(t, cluster, node, w.kubeconfig("picket-token")))
	}
	for _, a := range w.agents {
		a.waitReady()
	}
	return w
}

// must ends the test on an error of the API.
func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// grant gives the agents' user the rights that it needs, on these resources.
func (w *world) grant(resources []string) {
	w.Helper()
	rules := []rbacv1.PolicyRule{{APIGroups: []string{"", "networking.k8s.io"}, Resources: resources, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "picket"}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "picket"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "picket"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "picket"}}}
	ctx := context.Background()
	_ = w.Admin.RbacV1().ClusterRoles().Delete(ctx, "picket", metav1.DeleteOptions{})
	w.must(w.Admin.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}))
	_, _ = w.Admin.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
}

func (w *world) namespace(name string) {
	w.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.must(w.Admin.CoreV1().Namespaces().Create(context.Background(), ns, metav1.CreateOptions{}))
}

func (w *world) node(name string, addresses ...string) {
	w.Helper()
	ctx, nodes := context.Background(), w.Admin.CoreV1().Nodes()
	node, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	w.must(node, err)
	for _, a := range addresses {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	w.must(nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{}))
}

// pod makes a pod as scheduler and kubelet would: bound, running, with an address of each family.
func (w *world) pod(name, node string, number int) {
	w.Helper()
	n := strings.TrimPrefix(node, "n")
	addrs := []string{fmt.Sprintf("10.244.%s.%d", n, number), fmt.Sprintf("fd00:10:244:%s::%d", n, number)}
	ctx, pods := context.Background(), w.Admin.CoreV1().Pods("shop")
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none",
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}}}}},
	}, metav1.CreateOptions{})
	w.must(pod, err)
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, addrs[0]
	spec := sandbox.Pod{Name: "shop/" + name, Node: node}
	for _, a := range addrs {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a})
		spec.Addrs = append(spec.Addrs, netip.MustParseAddr(a))
	}
	w.must(pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}))
	w.must(nil, w.cluster.AddPod(spec))
	w.must(nil, w.cluster.Serve(spec.Name, sandbox.TCP, port))
	w.pods[name] = spec
}

func (w *world) apply(manifest string) {
	w.Helper()
	var p networkingv1.NetworkPolicy
	w.must(nil, yaml.Unmarshal([]byte(manifest), &p))
	w.must(w.Admin.NetworkingV1().NetworkPolicies("shop").Create(context.Background(), &p, metav1.CreateOptions{}))
}

// reaches waits until just these pods reach web, in both families.
func (w *world) reaches(names ...string) {
	w.Helper()
	var probes []sandbox.Probe
	var want []bool
	for _, from := range []string{"near", "far"} {
		for _, addr := range w.pods["web"].Addrs {
			probes = append(probes, sandbox.Probe{From: "shop/" + from, To: "shop/web", Addr: addr, Port: port})
			want = append(want, slices.Contains(names, from))
		}
	}
	eventually(w.T, 10*time.Second, func() error {
		outcomes, err := w.cluster.Run(w.Context(), probes, 300*time.Millisecond)
		for i, o := range outcomes {
			if (o == sandbox.Open) != want[i] {
				err = errors.Join(err, fmt.Errorf("%v: %v", probes[i], o))
			}
		}
		return err
	})
}

func (w *world) label(name, value string) {
	w.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{"app":%q}}}`, value)
	w.must(w.Admin.CoreV1().Pods("shop").Patch(context.Background(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))
}

const allowNear = `
metadata: {name: allow-near}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: near}}}], ports: [{port: http}]}]}`

func TestPoliciesOfAnAPIServer(t *testing.T) {
	w := newWorld(t)
	policies := w.Admin.NetworkingV1().NetworkPolicies("shop")
	ctx := context.Background()

	w.reaches("near", "far")
	w.apply("metadata: {name: deny}\nspec: {podSelector: {}}")
	w.reaches()
	w.apply(allowNear)
	w.reaches("near")
	w.label("far", "near")
	w.reaches("near", "far")
	w.label("near", "other")
	w.reaches("far")

	t.Log("an API server that is away changes nothing")
	w.stopAPI()
	w.reaches("far")
	w.startAPI()
	w.ready()
	w.label("near", "near")
	w.reaches("near", "far")

	t.Log("a policy with a bad part is reported once for all agents")
	w.apply(`
metadata: {name: bad}
spec: {podSelector: {matchLabels: {app: none}}, ingress: [{from: [{ipBlock: {cidr: "::ffff:10.0.0.0/104"}}]}]}`)
	eventually(t, 10*time.Second, func() error { return w.warned("bad") })

	t.Log("policies deleted from a terminating namespace isolate until its pods are gone")
	w.must(nil, w.Admin.CoreV1().Namespaces().Delete(ctx, "shop", metav1.DeleteOptions{}))
	w.must(nil, policies.Delete(ctx, "allow-near", metav1.DeleteOptions{}))
	w.must(nil, policies.Delete(ctx, "deny", metav1.DeleteOptions{}))
	w.must(nil, policies.Delete(ctx, "bad", metav1.DeleteOptions{}))
	w.forgot("bad")
	w.label("far", "other")
	w.reaches("near")
}

// warned looks for exactly one Warning Event about a policy.
func (w *world) warned(policy string) error {
	events, err := w.Admin.CoreV1().Events("shop").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	count := 0
	for _, e := range events.Items {
		if e.InvolvedObject.Name == policy && e.Type == corev1.EventTypeWarning && strings.Contains(e.Message, "spec.ingress[0].from[0].ipBlock.cidr") {
			count++
		}
	}
	if count != 1 {
		return fmt.Errorf("%d Warning Events about %s", count, policy)
	}
	return nil
}

// forgot waits until every agent has heard that a policy with a problem is deleted.
func (w *world) forgot(policy string) {
	w.Helper()
	for _, a := range w.agents {
		eventually(w.T, 10*time.Second, func() error {
			r, err := a.readiness()
			if _, warned := r.Warnings["policy shop/"+policy]; warned {
				err = fmt.Errorf("%s still warns about %s", a.node, policy)
			}
			return err
		})
	}
}

func TestMissingRightsAreNamed(t *testing.T) {
	cluster := newCluster(t)
	w := &world{T: t, server: startServer(t, cluster), pods: map[string]sandbox.Pod{}}
	w.grant([]string{"pods", "namespaces", "nodes"})
	a := startAgent(t, cluster, "n1", w.kubeconfig("picket-token"))
	eventually(t, 20*time.Second, func() error {
		r, err := a.readiness()
		if err == nil && (r.Ready || !strings.Contains(fmt.Sprint(r.Reasons), "networkpolicies")) {
			err = fmt.Errorf("ready: %t, reasons: %v", r.Ready, r.Reasons)
		}
		return err
	})
	w.grant([]string{"pods", "namespaces", "nodes", "networkpolicies"})
	a.waitReady()
}
