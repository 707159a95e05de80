package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/sandbox"
)

// testCluster is what each test has for itself: nodes, a namespace, and addresses that no other
// test's pods have.
type testCluster struct {
	*testing.T
	*server
	cluster   *sandbox.Cluster
	number    int
	firstPods int   // the second byte of the addresses of the first node's pods
	begun     int64 // where the audit log was
	namespace string
	nodes     []string
	agents    []*agent
	pods      map[string]sandbox.Pod
	streams   uint16 // so far
}

const (
	port = 8080
	wait = 30 * time.Second // for what is not about time; patience, no promise
)

// watched is what an agent lists and watches.
var watched = []string{"namespaces", "networkpolicies", "nodes", "pods"}

// newTestCluster makes nodes without agents or pods.
func newTestCluster(t *testing.T, nodes int) *testCluster {
	t.Helper()
	s := theServer(t)
	w := &testCluster{T: t, server: s, number: int(s.clusters.Add(1)),
		pods: map[string]sandbox.Pod{}}
	w.namespace = fmt.Sprintf("cluster-%d", w.number)
	if w.firstPods = int(s.ranges.Add(int32(nodes))) - nodes; w.firstPods+nodes > 256 {
		t.Fatal("10.0.0.0/8 has no range for the pods of another node")
	}
	var specs []sandbox.Node
	for n := range nodes {
		specs = append(specs, w.nodeSpec(n))
		w.nodes = append(w.nodes, specs[n].Name)
	}
	w.begun = s.now()
	cluster, err := sandbox.New(specs)
	w.must(nil, err)
	w.cluster = cluster
	t.Cleanup(func() { _ = w.cluster.Close() })
	w.addNamespace(w.namespace)
	t.Cleanup(w.deleteObjects)
	for _, spec := range specs {
		w.addNode(spec)
	}
	return w
}

// newShopCluster makes a test cluster with two agents, which have the shipped account, and three
// pods: web and near on the first node, far on the second.
func newShopCluster(t *testing.T) *testCluster {
	t.Helper()
	w := newTestCluster(t, 2)
	w.addShop(w.shipped)
	return w
}

// addShop adds the three pods and starts the agents.
func (w *testCluster) addShop(as identity) {
	w.Helper()
	w.addPod("web", 0, 5)
	w.addPod("near", 0, 6)
	w.addPod("far", 1, 5)
	for _, node := range w.nodes {
		w.agents = append(w.agents, w.startAgent(node, as))
	}
	for _, a := range w.agents {
		a.waitReady()
	}
}

// must ends the test on an error.
func (w *testCluster) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// deleteObjects deletes what the agents of other test clusters would see.
func (w *testCluster) deleteObjects() {
	ctx, now := context.Background(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	err := errors.Join(
		w.Admin.NetworkingV1().NetworkPolicies(w.namespace).DeleteCollection(ctx, now,
			metav1.ListOptions{}),
		w.Admin.CoreV1().Pods(w.namespace).DeleteCollection(ctx, now,
			metav1.ListOptions{LabelSelector: "app"}))
	for _, name := range w.nodes {
		err = errors.Join(err, w.Admin.CoreV1().Nodes().Delete(ctx, name, now))
	}
	if err != nil {
		w.Error(err)
	}
}

// nodeSpec is a node with a pod range of 16 bits of each family.
func (w *testCluster) nodeSpec(n int) sandbox.Node {
	return sandbox.Node{
		Name: fmt.Sprintf("cluster-%d-n%d", w.number, n+1),
		Addrs: []netip.Addr{
			netip.AddrFrom4([4]byte{192, 168, byte(w.number), byte(11 + n)}),
			netip.MustParseAddr(fmt.Sprintf("fd77:%x::%x", w.number, 0x11+n)),
		},
		PodCIDRs: []netip.Prefix{
			netip.PrefixFrom(w.addrs(n, 0)[0], 16), netip.PrefixFrom(w.addrs(n, 0)[1], 64),
		},
	}
}

// addrs are the addresses of the k-th pod of a node. No two nodes of all test clusters share a
// range.
func (w *testCluster) addrs(node, k int) []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{10, byte(w.firstPods + node), byte(k >> 8), byte(k)}),
		netip.MustParseAddr(fmt.Sprintf("fd00:%x:%x::%x", w.number, node, k)),
	}
}

func (w *testCluster) addNamespace(name string) {
	w.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.must(w.Admin.CoreV1().Namespaces().Create(context.Background(), ns, metav1.CreateOptions{}))
}

func (w *testCluster) addNode(spec sandbox.Node) {
	w.Helper()
	w.must(nil, w.RegisterNode(context.Background(), spec))
}

// addPod makes a pod that has the label app, in the API and on its node.
func (w *testCluster) addPod(name string, node, k int) {
	w.Helper()
	spec := sandbox.Pod{Name: w.namespace + "/" + name, Node: w.nodes[node],
		Addrs: w.addrs(node, k)}
	w.must(nil, w.cluster.AddPod(spec))
	w.must(nil, w.cluster.Serve(spec.Name, sandbox.TCP, port))
	w.must(nil, w.register(spec, map[string]string{"app": name}))
	w.pods[name] = spec
}

// register tells the API server of a pod that runs, with a port named http.
func (w *testCluster) register(p sandbox.Pod, labels map[string]string) error {
	http := corev1.ContainerPort{Name: "http", ContainerPort: port}
	return w.RegisterPod(context.Background(), p, labels, http)
}

// unregister deletes a pod from the API; its processes live on.
func (w *testCluster) unregister(name string) {
	w.Helper()
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	w.must(nil, w.Admin.CoreV1().Pods(w.namespace).Delete(context.Background(), name, now))
}

// deletePod ends the processes of a pod that is not in the API any more: until then its address
// stays isolated.
func (w *testCluster) deletePod(name string) {
	w.Helper()
	w.must(nil, w.cluster.DeletePod(w.pods[name].Name))
	delete(w.pods, name)
}

func (w *testCluster) label(pod, value string) {
	w.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{"app":%q}}}`, value)
	w.must(w.Admin.CoreV1().Pods(w.namespace).Patch(context.Background(), pod, types.MergePatchType,
		[]byte(patch), metav1.PatchOptions{}))
}

func (w *testCluster) apply(manifest string) {
	w.Helper()
	var p networkingv1.NetworkPolicy
	w.must(nil, yaml.UnmarshalStrict([]byte(manifest), &p))
	w.must(w.Admin.NetworkingV1().NetworkPolicies(w.namespace).Create(context.Background(), &p,
		metav1.CreateOptions{}))
}

func (w *testCluster) deletePolicies(policies ...string) {
	w.Helper()
	for _, name := range policies {
		w.must(nil, w.Admin.NetworkingV1().NetworkPolicies(w.namespace).Delete(context.Background(),
			name, metav1.DeleteOptions{}))
	}
}

const (
	denyAll = `
metadata: {name: deny}
spec: {podSelector: {}}`
	badPart   = "::ffff:10.0.0.0/104" // API servers took it before Kubernetes 1.36, and keep it
	badPolicy = `
metadata: {name: bad}
spec: {podSelector: {matchLabels: {app: none}}, ingress: [{from: [{ipBlock: {cidr: "` + badPart + `"}}]}]}`
)

// allow is a policy that lets pods with a label reach web.
func allow(app string) string {
	return fmt.Sprintf(`
metadata: {name: allow-%s}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: %[1]s}}}], ports: [{port: http}]}]}`, app)
}

// cut resets the connections of all agents to the API server.
func (w *testCluster) cut() {
	for _, a := range w.agents {
		a.cut()
	}
}

// away makes the API server unreachable for all agents.
func (w *testCluster) away() {
	for _, a := range w.agents {
		a.away()
	}
}

// back makes the API server reachable again for all agents.
func (w *testCluster) back() {
	for _, a := range w.agents {
		a.back()
	}
}
