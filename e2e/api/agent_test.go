package api

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/picket-project/picket/e2e/agenthttp"
	"github.com/picket-project/picket/e2e/apiserver"
)

// agent is the binary running on a node.
type agent struct {
	*proxy
	*agenthttp.Client
	world      *testCluster
	node       string
	kubeconfig string
	cmd        *exec.Cmd // the last one, running or not
	log        *bytes.Buffer
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
		proxy: newProxy(w.T, w, node), Client: agenthttp.New(w.cluster, node,
			agenthttp.DefaultAddr)}
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
	w.must(nil, apiserver.WriteKubeconfig(file, "https://"+proxyAddr, token))
	return file
}

func (a *agent) waitReady() {
	a.t.Helper()
	eventually(a.t, wait, a.Ready)
}

// waitState waits until the agent is ready or not, and has this text among its warnings or, if it
// is not ready, among its reasons.
func (a *agent) waitState(ready bool, words string) {
	a.t.Helper()
	eventually(a.t, wait, func() error {
		r, err := a.Readiness()
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
		r, err := a.Readiness()
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
	all, err := a.Metrics()
	if err != nil {
		a.t.Fatal(err)
	}
	value, there := all[name]
	if !there {
		a.t.Fatalf("%s has no metric %s", a.node, name)
	}
	return value
}
