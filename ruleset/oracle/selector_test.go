package oracle

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func TestSelectors(t *testing.T) {
	for _, tt := range []struct {
		selector string
		labels   string
		want     bool
	}{
		{"{}", "", true},
		{"{}", "app=web", true},
		{"{matchLabels: {}}", "", true},
		{"{matchLabels: {app: web}}", "app=web tier=x", true},
		{"{matchLabels: {app: web}}", "app=web2", false},
		{"{matchLabels: {app: web}}", "", false},
		{"{matchLabels: {app: ''}}", "app=", true},
		{"{matchLabels: {app: ''}}", "", false},
		{"{matchLabels: {app: web, tier: x}}", "app=web tier=x", true},
		{"{matchLabels: {app: web, tier: x}}", "app=web", false},
		{"{matchExpressions: [{key: app, operator: In, values: [web, db]}]}", "app=db", true},
		{"{matchExpressions: [{key: app, operator: In, values: [web, db]}]}", "app=api", false},
		{"{matchExpressions: [{key: app, operator: In, values: [web, db]}]}", "", false},
		{"{matchExpressions: [{key: app, operator: In, values: ['']}]}", "", false},
		{"{matchExpressions: [{key: app, operator: In, values: ['']}]}", "app=", true},
		{"{matchExpressions: [{key: app, operator: NotIn, values: [web, db]}]}", "app=db", false},
		{"{matchExpressions: [{key: app, operator: NotIn, values: [web, db]}]}", "app=api", true},
		{"{matchExpressions: [{key: app, operator: NotIn, values: [web, db]}]}", "", true},
		{"{matchExpressions: [{key: app, operator: NotIn, values: ['']}]}", "app=", false},
		{"{matchExpressions: [{key: app, operator: NotIn, values: ['']}]}", "", true},
		{"{matchExpressions: [{key: app, operator: Exists}]}", "app=", true},
		{"{matchExpressions: [{key: app, operator: Exists}]}", "tier=x", false},
		{"{matchExpressions: [{key: app, operator: DoesNotExist}]}", "app=", false},
		{"{matchExpressions: [{key: app, operator: DoesNotExist}]}", "tier=x", true},
		{"{matchExpressions: [{key: app, operator: In, values: [web]}, {key: app, operator: " +
			"NotIn, values: [web]}]}", "app=web", false},
		{"{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}",
			"app=web tier=x", true},
		{"{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}", "app=web",
			false},
		{"{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}", "tier=x",
			false},
		{"{matchExpressions: [{key: app, operator: in, values: [web]}]}", "app=web", false},
	} {
		var s metav1.LabelSelector
		if err := yaml.UnmarshalStrict([]byte(tt.selector), &s); err != nil {
			t.Fatalf("%s: %v", tt.selector, err)
		}
		if got := selects(&s, labelSet(tt.labels)); got != tt.want {
			t.Errorf("%s on %q: got %v", tt.selector, tt.labels, got)
		}
	}
}
