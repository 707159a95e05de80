package manifests

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apijson "k8s.io/apimachinery/pkg/util/json"
)

// closedText is what a file states of its policies: whom each isolates in which directions, and
// how many rules it has.
func closedText(t *testing.T, content string) string {
	t.Helper()
	s := newState()
	s.setContent(fileID{path: "f.yaml"}, []byte(content))
	u, _ := s.takeUpdate()
	var words []string
	for _, p := range newObjects(u).Policies {
		text := fmt.Sprintf("%s/%s %v %v", p.Namespace, p.Name, p.Spec.PodSelector.MatchLabels,
			p.Spec.PolicyTypes)
		if rules := len(p.Spec.Ingress) + len(p.Spec.Egress); rules > 0 {
			text += fmt.Sprintf(" %d rules", rules)
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// A policy that is refused for its form still isolates: whom and where it says, as far as that
// can be read, else everybody and everywhere. It allows nothing.
func TestPoliciesAreClosed(t *testing.T) {
	const head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" +
		"metadata: {name: p, namespace: a}\nspec: "
	for _, row := range []struct{ name, content, want string }{
		{"sound", head + "{podSelector: {matchLabels: {app: x}}, ingress: [{}]}",
			"a/p map[app:x] [] 1 rules"},
		{"a rule", head + "{podSelector: {matchLabels: {app: x}}, ingress: [{}, {ports: 80}]}",
			"a/p map[app:x] [Ingress]"},
		{"a rule, egress too", head +
			"{podSelector: {matchLabels: {app: x}}, ingress: 1, egress: [{}]}",
			"a/p map[app:x] [Ingress Egress]"},
		{"a rule, egress absent by null", head + "{podSelector: {}, ingress: 1, egress: null}",
			"a/p map[] [Ingress]"},
		{"a rule, egress named alone", head + "{podSelector: {matchLabels: {app: x}}, " +
			"policyTypes: [Egress], egress: [{to: 1}]}", "a/p map[app:x] [Egress]"},
		{"an unknown field of the spec may be policyTypes",
			head + "{podSelector: {matchLabels: {app: x}}, types: [Egress]}",
			"a/p map[app:x] [Ingress Egress]"},
		{"policyTypes", head + "{podSelector: {matchLabels: {app: x}}, policyTypes: Ingress}",
			"a/p map[app:x] [Ingress Egress]"},
		{"podSelector", head + "{podSelector: {matchLabels: {app: x, tier: 1}}, ingress: [{}]}",
			"a/p map[] [Ingress]"},
		{"podSelector, which the decoder would not reach",
			head + "{ingress: [{ports: [{port: []}]}], podSelector: {matchLabels: {app: x}}}",
			"a/p map[app:x] [Ingress]"},
		{"spec", head + "5", "a/p map[] [Ingress Egress]"},
		{"a key twice", head + "{podSelector: {matchLabels: {app: x}}, " +
			"podSelector: {matchLabels: {app: y}}}", "a/p map[] [Ingress Egress]"},
		{"a key twice in the document of two", "apiVersion: v1\nkind: List\nitems:\n" +
			"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, " +
			"spec: {podSelector: {matchLabels: {app: x}}}}\n" +
			"- {apiVersion: v1, kind: Pod, metadata: {name: p, name: q}}\n",
			"default/p map[] [Ingress Egress]"},
		{"a key twice, nowhere near a policy",
			"a: 1\na: 2\n---\n" + head + "{podSelector: {matchLabels: {app: x}}}",
			"a/p map[app:x] []"},
		{"a key twice in JSON", `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"a"},
			"spec":{"podSelector":{"matchLabels":{"app":"x"}},"podSelector":{}}}`, "a/p map[] [Ingress Egress]"},
		{"a merge key with an override", "apiVersion: v1\nkind: List\nitems:\n" +
			"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, " +
			"spec: &x {podSelector: {matchLabels: {app: z}}, policyTypes: [Egress]}}\n" +
			"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q}, " +
			"spec: {<<: *x, podSelector: {matchLabels: {app: x}}}}\n",
			"default/p map[app:z] [Egress], default/q map[app:x] [Egress]"},
		{"a merge key after what it overrides", "apiVersion: v1\nkind: List\nitems:\n" +
			"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, " +
			"spec: &x {podSelector: {}}}\n" +
			"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q}, " +
			"spec: {podSelector: {matchLabels: {app: x}}, <<: *x}}\n",
			"default/p map[] [Ingress Egress], default/q map[] [Ingress Egress]"},
		{"version", strings.Replace(head, "/v1", "/v1beta1", 1) +
			"{podSelector: {matchLabels: {app: x}}, ingress: [{}]}", "a/p map[app:x] [Ingress]"},
		{"name", strings.Replace(head, "name: p", "name: P", 1) +
			"{podSelector: {matchLabels: {app: x}}}",
			"a/unnamed-e292f4e3b6f6eb44 map[app:x] [Ingress]"},
		{"names of two", strings.Replace(head, "name: p", "name: P", 1) + "{}\n---\n" +
			strings.Replace(head, "name: p", "name: Q", 1) + "{}",
			"a/unnamed-44d84a90e5218ed4 map[] [Ingress], a/unnamed-a492072d7d908387 map[] [Ingress]"},
		{"namespace", strings.Replace(head, "namespace: a", "namespace: [a]", 1) + "{}", ""},
		{"namespace that is none", strings.Replace(head, "namespace: a", "namespace: A", 1) + "{}",
			""},
		{"metadata", strings.Replace(head, "{name: p, namespace: a}", "x", 1) + "{}", ""},
		{"labels", strings.Replace(head, "name: p,", "name: p, labels: {a: 1},", 1) +
			"{podSelector: {matchLabels: {app: x}}, ingress: [{}]}", "a/p map[app:x] [Ingress]"},
		{"a list of another version", "apiVersion: extensions/v1beta1\nkind: NetworkPolicyList\n" +
			"items: [{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: x}}}}]",
			"default/p map[app:x] [Ingress]"},
	} {
		if got := closedText(t, row.content); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// A policy that has to be closed for an edit is not: the file's last good state stays.
func TestLastGoodPolicyStays(t *testing.T) {
	s := newState()
	s.setContent(fileID{path: "f.yaml"}, []byte(policyYAML))
	s.takeUpdate()
	s.setContent(fileID{path: "f.yaml"}, []byte(strings.Replace(policyYAML, "{podSelector: {}}",
		"{podSelector: {}, ingress: 80}", 1)))
	if u, _ := s.takeUpdate(); len(u.Changes) > 0 || len(u.Problems) != 1 || u.Unread {
		t.Errorf("%+v", u)
	}
}

// What the comparison with a type finds, and that it finds nothing in what a decoder accepts.
func TestTypeCheck(t *testing.T) {
	for _, row := range []struct{ object, want string }{
		{`{"metadata":{"name":"a","labels":{"a":"b"},"creationTimestamp":"2024-01-01T00:00:00Z","managedFields":[{"fieldsV1":{"f:a":{}}}]},
			"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":1,"memory":"1Gi"}},"ports":[{"containerPort":80}],"env":null}],"hostNetwork":true,"terminationGracePeriodSeconds":30},"new":1}`, ""},
		{`{"metadata":{"creationTimestamp":"soon"}}`,
			`metadata.creationTimestamp: is the string "soon": parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"`},
		{`{"spec":{"containers":[{},{"resources":{"limits":{"cpu":[]}}}]}}`,
			`spec.containers[1].resources.limits[cpu]: is a list: quantities must match the regular expression`},
		{`{"spec":{"hostNetwork":"yes","containers":{}},"metadata":{"labels":{"a.b/c":null,"d":1e3}}}`,
			`metadata.labels[d]: is 1e3; expected a string, in quotes|spec.containers: is a mapping; expected a list|spec.hostNetwork: is the string "yes"; expected true or false`},
		{`{"spec":{"containers":[{"ports":[{"containerPort":2147483648}]}],"terminationGracePeriodSeconds":9223372036854775808}}`,
			`spec.containers[0].ports[0].containerPort: is 2147483648; expected a whole number of 32 bits|spec.terminationGracePeriodSeconds: is 9223372036854775808; expected a whole number`},
		{`{"spec":{"containers":[null]},"status":{"podIPs":[{"ip":false}]}}`,
			`status.podIPs[0].ip: is false; expected a string, in quotes`},
		{`{"spec":5}`, `spec: is 5; expected a mapping`},
	} {
		stated, err := decodeTree([]byte(row.object))
		must(t, err)
		var s typeCheck
		s.check(stated, reflect.TypeFor[corev1.Pod](), nil)
		got := strings.Join(s.wrong, "|")
		if !strings.HasPrefix(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s\n%s, want %s", row.object, got, row.want)
		}
		if err := apijson.Unmarshal([]byte(row.object), new(corev1.Pod)); (err == nil) != (got == "") {
			t.Errorf("%s: the decoder says %v", row.object, err)
		}
	}
}

// The names that a strict comparison offers are those of the API.
func TestFieldNames(t *testing.T) {
	if got := alternatives(
		fieldNames(
			reflect.TypeFor[networkingv1.NetworkPolicy]())); got != "apiVersion, kind, metadata or spec" {
		t.Error(got)
	}
	for words, want := range map[string]string{"": "", "a": "a", "a b": "a or b",
		"a b c": "a, b or c"} {
		if got := alternatives(strings.Fields(words)); got != want {
			t.Errorf("%q: %q", words, got)
		}
	}
}
