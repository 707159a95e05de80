package sysdump

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/source/client"
)

// answerLogs has the API server send the whole log of a pod, too much of another's, and of a third
// nothing until who asks gives up.
func answerLogs(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.Contains(r.URL.Path, "hangs"):
		<-r.Context().Done()
	case strings.Contains(r.URL.Path, "long"):
		_, _ = io.CopyN(w, endless{}, 2*logBytes)
	case r.URL.Query().Get("limitBytes") == "8388609":
		_, _ = io.WriteString(w, "in force")
	}
}

// endless is a text without an end.
type endless struct{}

// Read fills whatever there is room for.
func (endless) Read(b []byte) (int, error) {
	copy(b, bytes.Repeat([]byte("x"), len(b)))
	return len(b), nil
}

// A log that hangs keeps nothing else from the archive, and what was cut is named.
func TestAgentsThatSayTooMuchOrNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(answerLogs))
	defer server.Close()
	api, err := client.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var list []agents.Agent
	for _, node := range []string{"hangs", "long", "well"} {
		refuse := func(context.Context) (io.ReadWriteCloser, error) { return nil, errors.New("refused") }
		list = append(list, agents.Agent{Client: agent.Client{Node: node, Dial: refuse,
			Patience: 2 * time.Second}, Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "kube-system", Name: node}, Spec: corev1.PodSpec{NodeName: node,
			Containers: []corev1.Container{{Name: "agent"}}}}})
	}
	var out bytes.Buffer
	a := New(&out, "dump", time.Unix(1000, 0))
	a.Agents(t.Context(), api, list)
	a.stream("answer", io.NopCloser(strings.NewReader("12345")), nil, 4)
	a.stream("fits", io.NopCloser(strings.NewReader("1234")), nil, 4)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &out)
	missing := files["dump/missing.txt"]
	for _, line := range []string{"nodes/well/state.json: the agent of well: refused\n",
		"nodes/hangs/log.txt: ", "nodes/long/log.txt: cut after 8388608 bytes\n",
		"answer: cut after 4 bytes\n"} {
		if !strings.Contains(missing, line) {
			t.Errorf("%s\nexpected %q", missing, line)
		}
	}
	if strings.Contains(missing, "well/log") || strings.Contains(missing, "fits") ||
		files["dump/nodes/well/log.txt"] != "in force" || files["dump/answer"] != "1234" ||
		len(files["dump/nodes/long/log.txt"]) != logBytes {
		t.Errorf("%s", missing)
	}
}
