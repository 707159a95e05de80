package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// apiServer answers lists as an API server does: from the items by the last word of the path. What
// it has no items for it forbids.
func apiServer(t *testing.T, items map[string]string) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		words := strings.Split(r.URL.Path, "/")
		list, known := items[words[len(words)-1]]
		if !known {
			w.WriteHeader(http.StatusForbidden)
			status := map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure",
				"reason": "Forbidden", "code": 403, "message": "forbidden for the test"}
			_ = json.NewEncoder(w).Encode(status)
			return
		}
		kind, version := "PodList", "v1"
		switch words[len(words)-1] {
		case "namespaces":
			kind = "NamespaceList"
		case "nodes":
			kind = "NodeList"
		case "services":
			kind = "ServiceList"
		case "networkpolicies":
			kind, version = "NetworkPolicyList", "networking.k8s.io/v1"
		}
		fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{},"items":[%s]}`, kind, version, list)
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	write(t, kubeconfig, `{"apiVersion":"v1","kind":"Config","current-context":"one",
 "clusters":[{"name":"c","cluster":{"server":"`+server.URL+`"}}],
 "users":[{"name":"u","user":{}}],
 "contexts":[{"name":"one","context":{"cluster":"c","user":"u","namespace":"a"}},
  {"name":"none","context":{"cluster":"gone","user":"u"}}]}`)
	return kubeconfig
}

const (
	apiPods = `{"metadata":{"namespace":"a","name":"web"},"spec":{"nodeName":"n1"},
 "status":{"phase":"Running","podIP":"10.0.1.2"}},
 {"metadata":{"namespace":"a","name":"db-0","labels":{"app":"db"},
  "ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db","uid":"u",
   "controller":true}]},"spec":{"nodeName":"n2"},
 "status":{"phase":"Running","podIP":"10.0.2.2"}}`
	apiPolicy = `{"metadata":{"namespace":"a","name":"db"},"spec":{"podSelector":
 {"matchLabels":{"app":"db"}},"policyTypes":["Ingress"]}}`
)

// Without -f the cluster of the kubeconfig is asked, with kubectl's flags; names are in the
// namespace of the context.
func TestAnswersFromACluster(t *testing.T) {
	kubeconfig := apiServer(t, map[string]string{"pods": apiPods, "networkpolicies": apiPolicy,
		"namespaces": `{"metadata":{"name":"a"}}`, "nodes": "", "services": ""})
	code, stdout, stderr := picket("why", "web", "sts/db:5432", "--kubeconfig", kubeconfig)
	if code != 1 || stderr != "" || !strings.Contains(stdout, "isolated by  db") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	for line, want := range map[string]string{
		"coverage":                          "a             2      1/2     0/2",
		"matrix -A":                         "db (StatefulSet)",
		"coverage --context one -n a":       "NAMESPACE",
		"coverage -n b":                     "!--namespace: namespace b: not found; meant a?",
		"diff --delete a/db":                "OPENS",
		"who-can a/db-0:5432 --user u":      "1 of 2 workloads",
		"why a/web b/db:1 -n a":             "!namespace b: not found",
		"coverage --context none":           "!no files and no cluster",
		"coverage --context nowhere":        "!kubeconfig: ",
		"coverage --kubeconfig none/at/all": "!kubeconfig: ",
	} {
		code, stdout, stderr := picket(strings.Fields(line)...)
		want, fails := strings.CutPrefix(want, "!")
		if fails != (code == 2) || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: exit code %d, %s%s", line, code, stdout, stderr)
		}
	}
}

// What the user must not list is named: an error where there is no answer without it, else a note.
func TestWhatAClusterDoesNotTell(t *testing.T) {
	kubeconfig := apiServer(t, map[string]string{"pods": apiPods, "networkpolicies": apiPolicy,
		"namespaces": ""})
	code, _, stderr := picket("coverage", "--kubeconfig", kubeconfig)
	if code != 0 || !strings.Contains(stderr, "note: nodes cannot be listed (forbidden") ||
		!strings.Contains(stderr, "note: services cannot be listed") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	kubeconfig = apiServer(t, map[string]string{"pods": apiPods, "namespaces": "", "nodes": "",
		"services": ""})
	code, stdout, stderr := picket("coverage", "--kubeconfig", kubeconfig)
	if code != 2 || stdout != "" || !strings.Contains(stderr, "list networkpolicies: forbidden") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
