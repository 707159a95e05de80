package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func workloadYAML(apiVersion, kind, spec string) string {
	return fmt.Sprintf(
		"---\napiVersion: %s\nkind: %s\nmetadata: {name: w, namespace: a}\nspec: %s\n",
		apiVersion, kind, spec)
}

const template = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, " +
	"ports: [{name: http, containerPort: 80}]}]}}"

// Pods that stand for workloads have the names and labels that a controller would give them.
func TestExpand(t *testing.T) {
	node := func(name string) string {
		return "---\napiVersion: v1\nkind: Node\nmetadata: {name: " + name + "}\n"
	}
	for _, row := range []struct{ name, content, want string }{
		{"Deployment", workloadYAML("apps/v1", "Deployment", "{"+template+"}"), "a/w-1 app=web"},
		{"two pods at most", workloadYAML("apps/v1", "Deployment", "{replicas: 7, "+template+"}"),
			"a/w-1 app=web, a/w-2 app=web"},
		{"no replicas", workloadYAML("apps/v1", "Deployment", "{replicas: 0, "+template+"}"), ""},
		{"ReplicaSet", workloadYAML("apps/v1", "ReplicaSet", "{"+template+"}"), "a/w-1 app=web"},
		{"StatefulSet", workloadYAML("apps/v1", "StatefulSet", "{replicas: 2, "+template+"}"),
			"a/w-0 app=web apps.kubernetes.io/pod-index=0 statefulset.kubernetes.io/pod-name=w-0, " +
				"a/w-1 app=web apps.kubernetes.io/pod-index=1 statefulset.kubernetes.io/pod-name=w-1"},
		{"DaemonSet without nodes", workloadYAML("apps/v1", "DaemonSet", "{"+template+"}"),
			"a/w-1 app=web"},
		{"DaemonSet on nodes", workloadYAML("apps/v1", "DaemonSet", "{"+template+"}") + node("n1") +
			node("n2") + node("n3"),
			"a/w-n1@n1 app=web, a/w-n2@n2 app=web, a/w-n3@n3 app=web"},
		{"Job", workloadYAML("batch/v1", "Job", "{parallelism: 2, template: {}}"),
			"a/w-1 batch.kubernetes.io/job-name=w job-name=w, " +
				"a/w-2 batch.kubernetes.io/job-name=w job-name=w"},
		{"CronJob", workloadYAML("batch/v1", "CronJob", "{jobTemplate: {spec: {"+template+"}}}"),
			"a/w-1 app=web"},
		{"in a list", "apiVersion: apps/v1\nkind: DeploymentList\n" +
			"items: [{metadata: {name: w, namespace: a}, spec: {" + template + "}}]\n",
			"a/w-1 app=web"},
		{"a name that a pod has", workloadYAML("apps/v1", "Deployment", "{"+template+"}") +
			"---\napiVersion: v1\nkind: Pod\nmetadata: {name: w-1, namespace: a}\n",
			"a/w-2 app=web"},
		{"pods that are stated, behind a ReplicaSet that is not",
			workloadYAML("apps/v1", "Deployment", "{"+template+"}") +
				"---\napiVersion: v1\nkind: Pod\n" +
				"metadata: {name: w-5f-x, namespace: a, labels: {app: web, pod-template-hash: 5f}, " +
				"ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: w-5f, uid: u, " +
				"controller: true}]}\n", ""},
		{"a ReplicaSet of a Deployment that is stated",
			workloadYAML("apps/v1", "Deployment", "{"+template+"}") +
				"---\napiVersion: apps/v1\nkind: ReplicaSet\n" +
				"metadata: {name: w-5f, namespace: a, ownerReferences: [{apiVersion: apps/v1, " +
				"kind: Deployment, name: w, uid: u, controller: true}]}\nspec: {" + template +
				"}\n",
			"a/w-1 app=web"},
		{"a pod like it of another's namespace", workloadYAML("apps/v1", "Deployment", "{"+template+
			"}") +
			"---\napiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: b, labels: {app: web}, " +
			"ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: w-5f, uid: u, " +
			"controller: true}]}\n", "a/w-1 app=web"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"f.yaml": row.content})
		all, bad, err := Load(dir)
		if err != nil || len(bad) > 0 {
			t.Fatal(row.name, bad, err)
		}
		var words []string
		pods, _ := all.Expand()
		for _, p := range pods {
			word := p.Namespace + "/" + p.Name
			if p.Spec.NodeName != "" {
				word += "@" + p.Spec.NodeName
			}
			for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
				word += " " + key + "=" + p.Labels[key]
			}
			words = append(words, word)
		}
		if got := strings.Join(words, ", "); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// A wrong workload is a Problem for Load. Watch leaves it out like an object of any other kind.
func TestWorkloadsThatAreWrong(t *testing.T) {
	content := workloadYAML("extensions/v1beta1", "Deployment", "{}") +
		workloadYAML("apps/v1", "StatefulSet", "{replicas: two}")
	dir := t.TempDir()
	write(t, dir, map[string]string{"f.yaml": content})
	_, bad, err := Load(dir)
	must(t, err)
	want := `f.yaml: document 1: apiVersion "extensions/v1beta1" of kind Deployment: expected apps/v1` + "\n" +
		`f.yaml: document 2: StatefulSet a/w: spec.replicas: is the string "two"; expected a whole number`
	if got := problems(dir, bad); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	s := newState()
	s.setContent(fileID{path: "f.yaml"}, []byte(content))
	if u, _ := s.takeUpdate(); len(u.Changes)+len(u.Problems) > 0 || u.Skipped != 2 {
		t.Errorf("%+v", u)
	}
}
