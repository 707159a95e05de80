package why_test

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/why"
	"github.com/picket-project/picket/ruleset/policy"
)

// parse reads an object.
func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	var o T
	if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

// patch returns the policies that let pod a of namespace x send to pod b of namespace z, which are
// isolated by a policy with this podSelector each.
func patch(t *testing.T, labels, podSelector string) []*networkingv1.NetworkPolicy {
	t.Helper()
	var o policy.Objects
	for addr, name := range map[string]string{"10.0.0.1": "namespace: x, name: a",
		"10.0.0.2": "namespace: z, name: b"} {
		o.Pods = append(o.Pods, parse[corev1.Pod](t, "{metadata: {"+name+", labels: "+labels+
			"}, spec: {nodeName: n}, status: {podIP: "+addr+"}}"))
	}
	for _, namespace := range []string{"x", "z"} {
		o.Policies = append(o.Policies, parse[networkingv1.NetworkPolicy](t, "{metadata: {name: p, "+
			"namespace: "+namespace+"}, spec: {podSelector: "+podSelector+
			", policyTypes: [Ingress, Egress]}}"))
	}
	c := ask.New(o, nil)
	from, err := c.End("x/a", "")
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.Target("z/b:80", "")
	if err != nil {
		t.Fatal(err)
	}
	policies, err := why.Patch(c, from, to)
	if err != nil || len(policies) != 2 {
		t.Fatalf("%s: %d policies, %v", labels, len(policies), err)
	}
	return policies
}

// A patch selects by a label that the pod's author wrote, though the pod is alone in its namespace.
// Of a pod without one it says that it opens the whole namespace.
func TestPatchesSelectByAuthoredLabels(t *testing.T) {
	for _, row := range []struct{ labels, isolating, want, opens string }{
		{"{app: web}", "{}", "app=web", ""},
		{"{app: web, tier: front, pod-template-hash: 5f}", "{}", "app=web", ""},
		{"{tier: front, apps.kubernetes.io/pod-index: '0'}", "{}", "tier=front", ""},
		{"{batch.kubernetes.io/job-name: j, app: web, job-name: j}", "{}", "app=web", ""},
		{"{batch.kubernetes.io/job-name: j, job-name: j, controller-uid: u}", "{}",
			"batch.kubernetes.io/job-name=j", ""},
		{"{pod-template-hash: 5f, controller-revision-hash: x}", "{}", "<none>", "its pods its peers"},
		{"{}", "{}", "<none>", "its pods its peers"},
		{"{}", "{matchExpressions: [{key: app, operator: DoesNotExist}]}", "<none>", "its pods its peers"},
	} {
		for i, np := range patch(t, row.labels, row.isolating) {
			subject := np.Spec.PodSelector
			subject.MatchExpressions = nil
			peer := append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})[0].From
			if i == 0 {
				peer = np.Spec.Egress[0].To
			}
			for _, s := range []*metav1.LabelSelector{&subject, peer[0].PodSelector} {
				if got := metav1.FormatLabelSelector(s); got != row.want {
					t.Errorf("%s: %s selects by %s, want %s", row.labels, np.Name, got, row.want)
				}
			}
			lines := strings.Join(why.Opens(np), "\n")
			for _, whose := range []string{"its pods", "its peers"} {
				if strings.Contains(lines, whose) != strings.Contains(row.opens, whose) {
					t.Errorf("%s: %s says of %s: %q", row.labels, np.Name, whose, lines)
				}
			}
		}
	}
}

// What opens a namespace is told with its name.
func TestOpensNamesTheNamespaces(t *testing.T) {
	lines := why.Opens(patch(t, "{}", "{}")[0])
	if len(lines) != 2 || !strings.Contains(lines[0], "all pods of namespace x,") ||
		!strings.Contains(lines[1], "all pods of namespace z,") {
		t.Errorf("%q", lines)
	}
}

// A policy with the made-up address of a node is refused, with the Node that should state its own.
// A range that only begins with it is not about the node.
func TestMadeUpAddressesAreRefused(t *testing.T) {
	madeUp := map[netip.Addr]string{
		netip.MustParseAddr("10.77.0.1"): "n1", netip.MustParseAddr("fd77::1"): "n1"}
	for cidr, refused := range map[string]bool{
		"10.77.0.1/32": true, "fd77::1/128": true, "10.77.0.2/32": false, "10.77.0.1/24": false,
	} {
		np := parse[networkingv1.NetworkPolicy](t,
			"{spec: {egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: '"+cidr+"'}}]}]}}")
		err := why.CheckAddrs([]*networkingv1.NetworkPolicy{np}, madeUp)
		if (err != nil) != refused ||
			refused && !strings.Contains(err.Error(), "a Node n1 with status.addresses") {
			t.Errorf("%s: %v", cidr, err)
		}
	}
}
