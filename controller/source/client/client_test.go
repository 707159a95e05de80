package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// refusing returns a client of a server that refuses everything, and what it was asked.
func refusing(t *testing.T) (*Client, *[]string) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "reason": "NotFound", "code": 404}`)
	}))
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c, &asked
}

// Each request goes to where API servers have it, and a refusal says why.
func TestRequests(t *testing.T) {
	c, asked := refusing(t)
	ctx, seconds := t.Context(), int64(9)
	ask := func(_ any, err error) {
		t.Helper()
		if !apierrors.IsNotFound(err) {
			t.Errorf("%v, want one of 404", err)
		}
	}
	ask(c.Namespaces.Get(ctx, "a", metav1.GetOptions{}))
	ask(c.Nodes.List(ctx, metav1.ListOptions{ResourceVersion: "0"}))
	ask(c.Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: "7", TimeoutSeconds: &seconds}))
	ask(c.Services("b").Get(ctx, "c", metav1.GetOptions{}))
	ask(c.Policies("b").List(ctx, metav1.ListOptions{Limit: 5}))
	ask(c.Events("b").Create(ctx, &corev1.Event{}, metav1.CreateOptions{}))
	ask(c.Reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{}, metav1.CreateOptions{}))
	ask(c.Version(ctx))
	ask(c.Log(ctx, "b", "d", &corev1.PodLogOptions{Container: "e"}))
	if want := []string{
		"GET /api/v1/namespaces/a",
		"GET /api/v1/nodes?resourceVersion=0",
		"GET /api/v1/pods?resourceVersion=7&timeout=9s&timeoutSeconds=9&watch=true",
		"GET /api/v1/namespaces/b/services/c",
		"GET /apis/networking.k8s.io/v1/namespaces/b/networkpolicies?limit=5",
		"POST /api/v1/namespaces/b/events",
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		"GET /version",
		"GET /api/v1/namespaces/b/pods/d/log?container=e",
	}; !slices.Equal(*asked, want) {
		t.Errorf("asked:\n%q\nwant:\n%q", *asked, want)
	}
	url := c.ExecURL("b", "d", &corev1.PodExecOptions{Command: []string{"f"}, Stdin: true}).RequestURI()
	if want := "/api/v1/namespaces/b/pods/d/exec?command=f&stdin=true"; url != want {
		t.Errorf("%s, want %s", url, want)
	}
}
