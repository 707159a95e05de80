package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/picket-project/picket/e2e/apiserver"
)

// agent is the binary running on a node.
type agent struct {
	*proxy
	world      *testCluster
	node       string
	kubeconfig string
	cmd        *exec.Cmd // the last one, running or not
	log        *bytes.Buffer
	client     *http.Client
}

// program is the agent's binary.
func program() string { return os.Getenv("PICKET") }

// startAgent runs the agent on a node, with an account of the API server.
func (w *testCluster) startAgent(node string, as identity) *agent {
	w.Helper()
	if program() == "" {
		w.Fatal(
			"the variable PICKET is not set; expected the path of the agent's binary; `make " +
				"build` builds it")
	}
	a := &agent{world: w, node: node, kubeconfig: w.kubeconfig(as), log: &bytes.Buffer{},
		proxy: newProxy(w.T, w, node)}
	a.client = &http.Client{Timeout: 2 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: apiserver.Dialer(w.cluster, node)}}
	w.must(nil, a.start())
	w.Cleanup(func() {
		stop(a.cmd)
		if w.Failed() {
			w.Logf("log of the agent on %s:\n%s", node, a.log)
		}
	})
	return a
}

// start runs the process, the first one or the next.
func (a *agent) start() error {
	a.cmd = exec.Command(program(), "agent", "--node-name", a.node, "--kubeconfig", a.kubeconfig,
		"--log-level=debug")
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	return a.world.cluster.StartInNode(a.node, a.cmd)
}

// kubeconfig is a file for an agent behind its proxy.
func (w *testCluster) kubeconfig(as identity) string {
	w.Helper()
	token, err := as.token(w.Admin)
	w.must(nil, err)
	file := filepath.Join(w.TempDir(), "kubeconfig")
	w.must(nil, os.WriteFile(file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, proxyAddr, token), 0o600))
	return file
}

// get asks the agent over HTTP, on its node.
func (a *agent) get(path string) (status int, body []byte, err error) {
	response, err := a.client.Get("http://127.0.0.1:9470" + path)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready             bool
	Reasons, Warnings map[string]string
}

// readiness asks the agent for it; the status of the answer must say the same.
func (a *agent) readiness() (r readiness, err error) {
	status, body, err := a.get("/readyz")
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err == nil && r.Ready != (status == http.StatusOK) {
		err = fmt.Errorf("%s: /readyz answers %d, ready: %t", a.node, status, r.Ready)
	}
	return r, err
}

// isReady is nil if the agent is.
func (a *agent) isReady() error {
	r, err := a.readiness()
	if err == nil && !r.Ready {
		err = fmt.Errorf("%s is not ready: %v", a.node, r.Reasons)
	}
	return err
}

func (a *agent) waitReady() {
	a.t.Helper()
	eventually(a.t, wait, a.isReady)
}

// waitState waits until the agent is ready or not, and has this text among its warnings or, if it
// is not ready, among its reasons.
func (a *agent) waitState(ready bool, words string) {
	a.t.Helper()
	eventually(a.t, wait, func() error {
		r, err := a.readiness()
		texts := r.Reasons
		if ready {
			texts = r.Warnings
		}
		if err == nil && (r.Ready != ready || !strings.Contains(fmt.Sprint(texts), words)) {
			err = fmt.Errorf("%s: ready: %t (want %t), said: %q (want %s)", a.node, r.Ready, ready,
				texts, words)
		}
		return err
	})
}

// waitWithoutWarnings waits until an agent is ready and has no warning about objects of this test.
func (w *testCluster) waitWithoutWarnings(a *agent) {
	w.Helper()
	a.waitReady()
	w.waitWithout(a, "source ")
	w.waitWithout(a, "policy "+w.namespace+"/")
}

// waitWithout waits until an agent has no warning of this kind.
func (w *testCluster) waitWithout(a *agent, kind string) {
	w.Helper()
	eventually(w.T, wait, func() error {
		r, err := a.readiness()
		for name, text := range r.Warnings {
			if strings.HasPrefix(name, kind) {
				err = errors.Join(err, fmt.Errorf("%s warns of %s: %s", a.node, name, text))
			}
		}
		return err
	})
}

// busy is how much processor time the agents have taken.
func (w *testCluster) busy() (all time.Duration) {
	w.Helper()
	const tick = time.Second / 100 // proc_pid_stat(5); 100 a second on every Linux
	for _, a := range w.agents {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
		w.must(nil, err)
		_, numbers, _ := strings.Cut(string(stat), ") ")
		for _, field := range strings.Fields(numbers)[11:13] { // utime and stime
			ticks, err := strconv.Atoi(field)
			w.must(nil, err)
			all += time.Duration(ticks) * tick
		}
	}
	return all
}

// logLines counts the lines of the log that have both texts, once the agent has ended.
func (a *agent) logLines(text, also string) (lines int) {
	for line := range strings.Lines(a.log.String()) {
		if strings.Contains(line, text) && strings.Contains(line, also) {
			lines++
		}
	}
	return lines
}

// metric reads a number from /metrics.
func (a *agent) metric(name string) float64 {
	a.t.Helper()
	_, body, err := a.get("/metrics")
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				a.t.Fatal(err)
			}
			return value
		}
	}
	a.t.Fatalf("%s has no metric %s", a.node, name)
	return 0
}
