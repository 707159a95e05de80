package smoke

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// kubelets probe their pods all the time; not one probe may fail from the moment that everything is
// denied.
func (s *story) kubelets(t *testing.T) {
	create(t, "apply", probedPods(t))
	must(t, "rollout", "status", "-n", "shop", "daemonset/probed", "--timeout=90s")
	restarts, denied := restartsAndReadiness(t), time.Now().Truncate(time.Second)
	must(t, "apply", "-f", "testdata/policies.yaml")
	s.under().comesTrue(t, s.all()...)
	for time.Since(denied) < 12*time.Second { // a dozen probes of each kind
		for _, failed := range failedProbes(t, denied) {
			t.Error(failed)
		}
		time.Sleep(time.Second)
	}
	if after := restartsAndReadiness(t); after != restarts {
		t.Errorf("restarts and readiness of containers: %s; expected as before: %s", after,
			restarts)
	}
	must(t, "delete", "-n", "shop", "daemonset/probed")
}

// probedPods returns the manifest of pods that are probed, with the image that the cluster has.
func probedPods(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/probed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	image := os.Getenv("AGNHOST_IMAGE")
	if image == "" {
		t.Fatal("AGNHOST_IMAGE is missing; expected the image of Kubernetes' tests, run: make e2e")
	}
	return strings.ReplaceAll(string(text), "AGNHOST_IMAGE", image)
}

// failedProbes returns what kubelets have reported about the probed pods since then.
func failedProbes(t *testing.T, since time.Time) (list []string) {
	t.Helper()
	var events corev1.EventList
	get(t, &events, "events", "-n", "shop", "--field-selector", "reason=Unhealthy")
	for _, e := range events.Items {
		if strings.HasPrefix(e.InvolvedObject.Name, "probed") && e.LastTimestamp.After(since) {
			list = append(list, e.InvolvedObject.Name+": "+e.Message)
		}
	}
	return list
}

// restartsAndReadiness returns of each probed container the restarts and whether it is ready.
func restartsAndReadiness(t *testing.T) string {
	t.Helper()
	var pods corev1.PodList
	get(t, &pods, "pods", "-n", "shop", "-l", "app=probed")
	var text strings.Builder
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			fmt.Fprintf(&text, "%s %s %d %t; ", p.Name, c.Name, c.RestartCount, c.Ready)
		}
	}
	if text.Len() == 0 {
		t.Fatal("there are no probed pods")
	}
	return text.String()
}

// agentsDeleted deletes all agents at once; the rules stay, and so does the traffic.
func (s *story) agentsDeleted(t *testing.T) {
	during(t, "g", s.web, func() {
		must(t, "delete", "pod", "-n", "kube-system", "-l", "app.kubernetes.io/name=picket",
			"--wait")
		must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=90s")
	})
}

// rollingUpdate applies what is shipped again, of which the agents are not any more.
func (s *story) rollingUpdate(t *testing.T) {
	during(t, "r", s.web, func() {
		must(t, "apply", "-f", shipped(t, "picket.yaml"))
		must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=180s")
	})
	args := must(t, "get", "pods", "-n", "kube-system", "-l", "app.kubernetes.io/name=picket",
		"-o", "jsonpath={..args}")
	if strings.Contains(args, "deny") {
		t.Errorf("agents run with %s; expected all to be new", args)
	}
}

// removed deletes what was installed; the rules stay.
func (s *story) removed(t *testing.T) {
	during(t, "d", s.web, func() {
		must(t, "delete", "-f", shipped(t, "picket.yaml"), "--wait")
		noAgents(t)
	})
	s.under().comesTrue(t, s.all()...)
}

// noAgents waits until all agents have ended.
func noAgents(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		out, err := kubectl("get", "pods", "-n", "kube-system", "-l",
			"app.kubernetes.io/name=picket,app.kubernetes.io/component=agent", "-o", "name")
		if err == nil && out != "" {
			err = fmt.Errorf("still there: %s", out)
		}
		return err
	})
}

var nodeName = regexp.MustCompile(`nodeName: .*`)

// cleanup takes away the rules of the nodes, and nothing else.
func (s *story) cleanup(t *testing.T) {
	template, err := os.ReadFile(shipped(t, "cleanup.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before := foreign(t)
	for _, node := range nodes(t) { // as the first lines of the file say
		create(t, "create", nodeName.ReplaceAllString(string(template), "nodeName: "+node))
	}
	must(t, "wait", "-n", "kube-system", "--for=condition=complete", "--timeout=60s",
		"job", "-l", "app.kubernetes.io/name=picket,app.kubernetes.io/component=cleanup")
	after := foreign(t)
	if left := must(t, "get", "daemonset,serviceaccount,clusterrole,clusterrolebinding", "-A", "-o",
		"name", "-l", "app.kubernetes.io/name=picket"); left != "" {
		t.Errorf("the API still has\n%s", left)
	}
	for _, node := range nodes(t) {
		for _, table := range tables(t, node) {
			if isOurs(table) {
				t.Errorf("%s still has %s", node, table)
			}
		}
		if before[node] == "" || before[node] != after[node] {
			t.Errorf("cleanup on %s changed what others made:\n%s\nwas:\n%s", node, after[node],
				before[node])
		}
	}
	s.open(t)
}

// foreign is everybody else's ruleset on each node, as text without counters.
func foreign(t *testing.T) map[string]string {
	t.Helper()
	rules := map[string]string{}
	for _, node := range nodes(t) {
		for _, table := range tables(t, node) {
			if isOurs(table) {
				continue
			}
			list := append([]string{"nft", "--stateless", "list"}, strings.Fields(table)...)
			text, err := onNode(node, list...)
			if err != nil {
				t.Fatal(err)
			}
			rules[node] += text
		}
	}
	return rules
}

// tables are those of nftables on a node, as nft names them: table FAMILY NAME.
func tables(t *testing.T, node string) []string {
	t.Helper()
	list, err := onNode(node, "nft", "list", "tables")
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(list, func(r rune) bool { return r == '\n' })
}

// isOurs reports whether a table is Picket's, of whatever family.
func isOurs(table string) bool { return strings.HasSuffix(table, " picket") }
