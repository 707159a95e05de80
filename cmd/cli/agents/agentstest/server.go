// Package agentstest is an API server for tests, with pods of agents in which the relay can be run.
package agentstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Server answers lists with Items, by the last word of their path; what it has none for it forbids.
// Agents are the handlers of agents, by node: a nil one cannot be run anything in. With InFlannel
// they run in pods of flannel's chart.
type Server struct {
	Items     map[string]string
	Agents    map[string]http.Handler
	InFlannel bool
}

// Start serves until the test ends, and returns a kubeconfig.
func (s Server) Start(t *testing.T) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"one",
 "clusters":[{"name":"c","cluster":{"server":"`+server.URL+`"}}], "users":[{"name":"u","user":{}}],
 "contexts":[{"name":"one","context":{"cluster":"c","user":"u","namespace":"shop"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// kinds are those of lists.
var kinds = map[string][2]string{"pods": {"PodList", "v1"}, "namespaces": {"NamespaceList", "v1"},
	"nodes": {"NodeList", "v1"}, "services": {"ServiceList", "v1"},
	"networkpolicies": {"NetworkPolicyList", "networking.k8s.io/v1"}}

// serve answers one request.
func (s Server) serve(w http.ResponseWriter, r *http.Request) {
	// The last word of a path says what it is about, or which object.
	words := strings.Split(r.URL.Path, "/")
	last := words[len(words)-1]
	items, known := s.Items[last]
	switch {
	case last == "exec":
		s.exec(w, r, words[len(words)-2])
		return
	case last == "version":
		fmt.Fprint(w, `{"gitVersion":"v1.36.0"}`)
		return
	case last == "log":
		fmt.Fprintln(w, "in force")
		return
	// Nobody but who looks for agents asks by labels.
	case r.URL.Query().Get("labelSelector") != "":
		items = ""
		if s.InFlannel == (r.URL.Query().Get("labelSelector") == "app=flannel") {
			items = s.agentPods(strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "spec.nodeName="))
		}
	// One object: the fake has one of each name.
	case len(words) > 2 && kinds[words[len(words)-2]] != [2]string{}:
		s.object(w, words[len(words)-2], last)
		return
	case !known:
		refuse(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.list(last, items))
}

// refuse forbids something.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status",
		APIVersion: "v1"}, Status: "Failure", Reason: "Forbidden", Code: 403, Message: "forbidden here"})
}

// object answers for the object of a kind and name.
func (s Server) object(w http.ResponseWriter, kind, name string) {
	var list unstructured.UnstructuredList
	_ = json.Unmarshal(s.list(kind, s.Items[kind]), &list)
	// Names are enough, as these tests have no two of one.
	for _, o := range list.Items {
		if o.GetName() == name {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(&o)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
}

// list is a list of items of a kind.
func (s Server) list(kind, items string) []byte {
	return fmt.Appendf(nil, `{"kind":%q,"apiVersion":%q,"metadata":{},"items":[%s]}`, kinds[kind][0],
		kinds[kind][1], items)
}

// What a pod of an agent has, by the manifests and by flannel's chart.
const (
	ownPod     = `"containers":[{"name":"agent","image":"picket:v2"}]`
	flannelPod = `"containers":[{"name":"kube-flannel"},{"name":"kube-network-policies",` +
		`"image":"picket:v2","command":["/bin/netpol"]}]`
)

// agentPods are the pods of agents, those of one node or all.
func (s Server) agentPods(node string) string {
	var list []string
	labels, containers := "", ownPod
	if s.InFlannel {
		labels, containers = `"app":"flannel"`, flannelPod
	}
	for name := range s.Agents {
		// A real API server applies the selector of fields itself.
		if node != "" && node != name {
			continue
		}
		list = append(list, fmt.Sprintf(`{"metadata":{"namespace":"kube-system","name":"picket-%s",
 "labels":{%s}},"spec":{"nodeName":%q,%s},"status":{"phase":"Running","containerStatuses":[{"name":"agent",
 "state":{"running":{}}}]}}`, name, labels, name, containers))
	}
	return strings.Join(list, ",")
}

// exec runs the relay in a pod, over SPDY: a WebSocket is refused, as by an old API server.
func (s Server) exec(w http.ResponseWriter, r *http.Request, pod string) {
	handler := s.Agents[strings.TrimPrefix(pod, "picket-")]
	container := "agent"
	if s.InFlannel {
		container = "kube-network-policies"
	}
	asked := r.URL.Query()
	if r.Method != http.MethodPost || handler == nil || asked.Get("container") != container ||
		asked.Get("command") != "/picket" {
		refuse(w)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return
	}
	// There are four: errors, and the three standard ones.
	streams := make(chan httpstream.Stream, 4)
	upgraded := spdy.NewResponseUpgrader().UpgradeResponse(w, r,
		func(one httpstream.Stream, _ <-chan struct{}) error {
			streams <- one
			return nil
		})
	// The client has been told by then.
	if upgraded == nil {
		return
	}
	defer upgraded.Close()
	byType := map[string]httpstream.Stream{}
	// Streams come in the order in which the client makes them.
	for len(byType) < 4 {
		one := <-streams
		byType[one.Headers().Get("streamType")] = one
	}
	// It ends when the agent closes the connection, as each answer is the only one.
	answer(handler, byType["stdin"], byType["stdout"])
	_ = json.NewEncoder(byType["error"]).Encode(metav1.Status{Status: metav1.StatusSuccess})
	for _, one := range byType {
		_ = one.Close()
	}
}

// answer has an agent answer what comes from the relay.
func answer(handler http.Handler, in io.Reader, out io.Writer) {
	// One end is the relay's, the other one the socket of the agent.
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(here, in) }()
	server := &http.Server{Handler: handler}
	listener := &oneConn{conn: there, ended: make(chan struct{})}
	go func() { _ = server.Serve(listener) }()
	_, _ = io.Copy(out, here)
	close(listener.ended)
	_ = here.Close()
	_ = server.Close()
}

// oneConn is a listener for one connection.
type oneConn struct {
	conn  net.Conn
	ended chan struct{}
}

// Accept returns the connection, and after it none.
func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		<-l.ended
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

// Close has nothing to close: the connection ends with who asks.
func (l *oneConn) Close() error { return nil }

// Addr is nobody's.
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }
