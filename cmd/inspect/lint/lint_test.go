package lint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// corpus reads the files of an archive, by name.
func corpus(t *testing.T, name string) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	return files
}

// found runs all checks on a policy beside a cluster.
func found(t *testing.T, cluster, text string) []lint.Finding {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"cluster.yaml": cluster, "policy.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := inspect.Read(manifests.Input{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Complete(); err != nil {
		t.Fatal(err)
	}
	return lint.Run(ask.New(in.Objects, in.Services), in)
}

// Every mistake of the corpus is found where it is, and nothing else beside it.
func TestMistakesAreFound(t *testing.T) {
	files := corpus(t, "mistakes.txtar")
	cluster := files["cluster.yaml"]
	delete(files, "cluster.yaml")
	if len(files) < 60 {
		t.Errorf("only %d mistakes", len(files))
	}
	checks := map[string]bool{}
	for name, text := range files {
		first, _, _ := strings.Cut(text, "\n")
		want := strings.Split(strings.TrimPrefix(first, "# want: "), "; ")
		var got []string
		for _, f := range found(t, cluster, text) {
			got = append(got, strings.TrimSpace(f.Check+" "+f.Field))
			checks[f.Check] = true
			if filepath.Base(f.File) != "policy.yaml" || f.Line < 1 && f.Check != "empty-file" ||
				f.Message == "" || f.Fix == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
	for _, c := range lint.Checks() {
		if !checks[c.ID] {
			t.Errorf("no mistake for %s", c.ID)
		}
	}
}

// Nothing is found in sound policies.
func TestSoundPoliciesHaveNoFindings(t *testing.T) {
	files := corpus(t, "sound.txtar")
	if len(files) < 100 {
		t.Errorf("only %d policies", len(files))
	}
	cluster := corpus(t, "mistakes.txtar")["cluster.yaml"]
	for name, text := range files {
		for _, f := range found(t, cluster, text) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// What is said of a mistake is what is known of it; "" where nothing must be found.
func TestWhatIsSaid(t *testing.T) {
	const cluster = `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: shop, labels: {app: proxy}},
  spec: {hostNetwork: true}}
`
	const tools = "---\n{apiVersion: v1, kind: Pod, metadata: {name: t, namespace: tools}}\n"
	from := func(peer string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n" +
			"spec: {podSelector: {}, ingress: [{from: [" + peer + "]}]}\n"
	}
	named := func(name string) string {
		return from("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + name + "}}}")
	}
	wrong := func(name string) string {
		return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" +
			"metadata: {name: " + name + ", namespace: shop}\nspec: {podSelector: {}, ingres: []}\n"
	}
	for what, c := range map[string]struct{ cluster, policies, want string }{
		"a peer on its node's network": {cluster, from("{podSelector: {matchLabels: {app: proxy}}}"),
			"no pod is this peer: shop/proxy has the labels, and is on its node's network (hostNetwork), so a " +
				"podSelector never matches it → allow the addresses of the node by an ipBlock, or take " +
				"hostNetwork off the pod"},
		"a namespace of every cluster": {cluster, named("kube-system"), ""},
		"another one": {cluster, named("ingress"),
			"no pod is this peer: no Namespace of the files has kubernetes.io/metadata.name=ingress → add the " +
				"Namespace and its pods to the files, which do not say its labels; if the cluster has none, the " +
				"peer matches nobody"},
		"one that is misspelt": {cluster, named("shpo"), "no pod is this peer: no Namespace of the files has " +
			"kubernetes.io/metadata.name=shpo → meant kubernetes.io/metadata.name=shop?"},
		"labels of one that is no object": {cluster + tools,
			from("{namespaceSelector: {matchLabels: {team: tools}}}"),
			"no pod is this peer: no Namespace of the files has team=tools; namespaces that are no objects " +
				"here, so that their labels are not known: tools → add these Namespaces to the files, or name " +
				"a label that they have"},
		"two that cannot be read": {cluster, wrong("one") + wrong("two"),
			"spec.ingres: is no field of the API → expected egress, ingress, podSelector or policyTypes; until " +
				"this is mended the policy isolates its pods and allows nothing"},
		"no YAML": {cluster, "---\nkind: [Pod\n", "is no YAML: did not find expected ',' or ']' → look for " +
			"a wrong indent, bracket or quote there, or above it"},
		"not UTF-8": {cluster, "kind: \xff\n",
			"not UTF-8 → expected YAML or JSON in UTF-8"},
	} {
		var texts []string
		for _, f := range found(t, c.cluster, c.policies) {
			texts = append(texts, f.Message+" → "+f.Fix)
			if f.Object == "" || f.Line == 0 {
				t.Errorf("%s: %+v", what, f)
			}
		}
		if got := strings.Join(slices.Compact(texts), "\n"); got != c.want {
			t.Errorf("%s: %s\nexpected %s", what, got, c.want)
		}
	}
}

// What a rule's port costs grows with the pods or with the Services, not with both of them: of each
// Service the pods are looked for once.
func TestCostOfServices(t *testing.T) {
	cost := func(n int) float64 {
		var o policy.Objects
		var services []*corev1.Service
		for i := range n {
			name := fmt.Sprintf("s%d", i)
			own := metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": name}}
			pod := &corev1.Pod{ObjectMeta: own, Status: corev1.PodStatus{
				PodIP: fmt.Sprintf("10.244.0.%d", i+2)}}
			service := &corev1.Service{ObjectMeta: own, Spec: corev1.ServiceSpec{Selector: own.Labels,
				Ports: []corev1.ServicePort{{Port: 8080}}}}
			np := &networkingv1.NetworkPolicy{ObjectMeta: own}
			np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{
				{Port: ptr.To(intstr.FromInt32(8080))}}}}
			o.Pods, o.Policies = append(o.Pods, pod), append(o.Policies, np)
			services = append(services, service)
		}
		c := ask.New(o, services)
		return testing.AllocsPerRun(1, func() { lint.Run(c, nil) })
	}
	small, large := cost(20), cost(80)
	if t.Logf("%.0f and %.0f allocations", small, large); large > small*4*4*2 {
		t.Error("four times as many Services, pods and policies cost far more than sixteen times as much")
	}
}

// Packets to a headless Service reach its pods on the port that they were sent to, so a rule for
// that port is right.
func TestHeadlessServicesTranslateNoPorts(t *testing.T) {
	const cluster = `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},
  spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: c}},
  spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},
  spec: {clusterIP: %s, selector: {app: web}, ports: [{port: 8080, targetPort: 80}]}}
`
	const rule = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop},
  spec: {podSelector: {matchLabels: {app: web}},
  ingress: [{from: [{podSelector: {matchLabels: {app: c}}}], ports: [{port: 8080}]}]}}
`
	for address, want := range map[string]int{"None": 0, "10.96.0.7": 1} {
		if got := found(t, fmt.Sprintf(cluster, address), rule); len(got) != want {
			t.Errorf("clusterIP %s: %+v", address, got)
		}
	}
}
