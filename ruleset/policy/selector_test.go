package policy

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// labelSelector reads a label selector as YAML.
func labelSelector(t *testing.T, text string) labels.Selector {
	t.Helper()
	var s metav1.LabelSelector
	if err := yaml.UnmarshalStrict([]byte(text), &s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	parsed, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return parsed
}

// The text of a selector is its identity: what means the same should have one, what does
// not must not.
func TestSelectorTextIsIdentity(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"{}", "{matchLabels: {}, matchExpressions: []}", true},
		{"{matchLabels: {app: web, tier: x}}", "{matchLabels: {tier: x, app: web}}", true},
		{"{matchExpressions: [{key: b, operator: Exists}, {key: a, operator: Exists}]}",
			"{matchExpressions: [{key: a, operator: Exists}, {key: b, operator: Exists}]}", true},
		{"{matchExpressions: [{key: a, operator: In, values: [y, x]}]}",
			"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", true},
		{"{matchLabels: {b: x}, matchExpressions: [{key: a, operator: NotIn, values: [z, y]}]}",
			"{matchExpressions: [{key: a, operator: NotIn, values: [y, z]}], matchLabels: {b: x}}",
			true},
		{"{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: NotIn, values: [x]}]}",
			"{matchExpressions: [{key: a, operator: NotIn, values: [x]}, {key: a, operator: Exists}]}", true},
		{"{matchLabels: {app: web}}", "{matchLabels: {app: db}}", false},
		{"{matchLabels: {app: ''}}", "{matchExpressions: [{key: app, operator: Exists}]}", false},
		{"{matchLabels: {app: ''}}", "{}", false},
		{"{matchExpressions: [{key: a, operator: Exists}]}",
			"{matchExpressions: [{key: a, operator: DoesNotExist}]}", false},
		{"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}",
			"{matchExpressions: [{key: a, operator: NotIn, values: [x, y]}]}", false},
		{"{matchExpressions: [{key: a, operator: In, values: [x, '']}]}",
			"{matchExpressions: [{key: a, operator: In, values: [x]}]}", false},
		{"{matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]}",
			"{matchLabels: {a: x}}", false},
	} {
		a, b := labelSelector(t, row.a), labelSelector(t, row.b)
		for where, texts := range map[string][2]string{
			"pods in a namespace": {podsIn("a", a).String(), podsIn("a", b).String()},
			"pods across namespaces": {podsAcross(labels.Everything(), a).String(),
				podsAcross(labels.Everything(), b).String()},
			"all pods of the namespaces": {podsAcross(a, labels.Everything()).String(),
				podsAcross(b, labels.Everything()).String()},
		} {
			if (texts[0] == texts[1]) != row.same {
				t.Errorf("%s: %s is %q, %s is %q", where, row.a, texts[0], row.b, texts[1])
			}
		}
	}
}

// The text does not depend on the order in which a map is read, nor does the text of a
// problem: sets and Events are named by them.
func TestSelectorTextIsTheSameEachTime(t *testing.T) {
	var big metav1.LabelSelector
	for i := range 10 {
		metav1.AddLabelToSelector(&big, fmt.Sprintf("k%d", i), "x")
		for _, value := range []string{"z", "y"} {
			big.MatchExpressions = append(big.MatchExpressions, metav1.LabelSelectorRequirement{
				Key: fmt.Sprintf("k%d", i%3), Operator: metav1.LabelSelectorOpNotIn,
				Values: []string{fmt.Sprint(value, i)}})
		}
	}
	bad := metav1.LabelSelector{MatchLabels: map[string]string{"a b": "x", "c d": "x", "e f": "x",
		"app": "x"}}
	texts := map[string]bool{}
	for range 50 {
		pods, err := metav1.LabelSelectorAsSelector(&big)
		if err != nil {
			t.Fatal(err)
		}
		texts[podsIn("a", pods).String()+podsAcross(pods, pods).String()+reason(&bad)+
			widened(&bad).String()] = true
	}
	if len(texts) != 1 {
		t.Errorf("%d texts of one selector", len(texts))
	}
}

// Where pods are looked for is part of the identity.
func TestSelectorsOfDifferentPlacesDiffer(t *testing.T) {
	web, all := labels.SelectorFromSet(labels.Set{"app": "web"}), labels.Everything()
	named := labels.SelectorFromSet(labels.Set{"kubernetes.io/metadata.name": "a"})
	texts := map[string]bool{}
	list := []*Selector{podsIn("a", web), podsIn("b", web), podsIn("a", all), podsIn("all", all),
		podsAcross(all, web), podsAcross(all, all),
		podsAcross(named, web), podsAcross(named, all), podsAcross(web, all), podsAcross(web, web)}
	for _, s := range list {
		texts[s.String()] = true
	}
	if len(texts) != len(list) {
		t.Errorf("%d selectors, %d texts: %v", len(list), len(texts), texts)
	}
	if EveryPod().String() != podsAcross(all, all).String() {
		t.Errorf("every pod is %q", EveryPod())
	}
}

func TestSelectorMatches(t *testing.T) {
	web := labels.SelectorFromSet(labels.Set{"app": "web"})
	blue := labels.SelectorFromSet(labels.Set{"team": "blue"})
	ns := func(name, team string) Namespace {
		n := ImpliedNamespace(name)
		n.Labels["team"], n.Implied = team, false
		return n
	}
	across := func(text string) *Selector {
		s, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return podsAcross(s, web)
	}
	for _, row := range []struct {
		name     string
		selector *Selector
		pod      string // its app
		ns       Namespace
		want     bool
	}{
		{"in its namespace", podsIn("a", web), "web", ns("a", "blue"), true},
		{"in another namespace", podsIn("a", web), "web", ns("ab", "blue"), false},
		{"another pod", podsIn("a", web), "db", ns("a", "blue"), false},
		{"both must hold", podsAcross(blue, web), "web", ns("b", "blue"), true},
		{"both must hold: not the namespace", podsAcross(blue, web), "web", ns("b", "red"), false},
		{"both must hold: not the pod", podsAcross(blue, web), "db", ns("b", "blue"), false},
		{"every pod", EveryPod(), "", ns("b", ""), true},
		{"by the name of a namespace that is no object",
			podsAcross(labels.SelectorFromSet(labels.Set{"kubernetes.io/metadata.name": "x"}), web),
			"web", ImpliedNamespace("x"), true},
		{"unheard: by any namespace", across(""), "web", ImpliedNamespace("x"), true},
		{"unheard: by one of several names", across("kubernetes.io/metadata.name in (x,y)"), "web",
			ImpliedNamespace("x"), true},
		{"unheard: by another name", across("kubernetes.io/metadata.name=y"), "web",
			ImpliedNamespace("x"), false},
		{"unheard: by the absence of a label", across("!team"), "web", ImpliedNamespace("x"),
			false},
		{"unheard: by another value of a label", across("team notin (red)"), "web",
			ImpliedNamespace("x"), false},
		{"unheard: by name and absence", across("kubernetes.io/metadata.name=x,!team"), "web",
			ImpliedNamespace("x"), false},
		{"heard: by the absence of a label", across("!size"), "web", ns("x", "blue"), true},
	} {
		pod := Pod{Key: Key{row.ns.Name, "p"}, Labels: map[string]string{"app": row.pod}}
		if got := row.selector.Matches(pod, row.ns); got != row.want {
			t.Errorf("%s: %t", row.name, got)
		}
	}
}
