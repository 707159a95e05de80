package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// newCluster makes two nodes and the machine of the control plane.
func newCluster(t *testing.T) *sandbox.Cluster {
	t.Helper()
	nodes := []sandbox.Node{{Name: controlPlane, Addrs: []netip.Addr{netip.MustParseAddr(serverAddr)}}}
	for n := 1; n <= 2; n++ {
		nodes = append(nodes, sandbox.Node{
			Name:  fmt.Sprintf("n%d", n),
			Addrs: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.77.0.1%d", n)), netip.MustParseAddr(fmt.Sprintf("fd77::1%d", n))},
			PodCIDRs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", n)), netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%d::/64", n)),
			},
		})
	}
	c, err := sandbox.New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// agent is the binary at work on a node.
type agent struct {
	t    *testing.T
	node string
	on   *sandbox.Cluster
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

func startAgent(t *testing.T, on *sandbox.Cluster, node, kubeconfig string) *agent {
	t.Helper()
	a := &agent{t: t, node: node, on: on, log: &bytes.Buffer{}}
	a.cmd = exec.Command(os.Getenv("PICKET"), "agent", "--node-name", node, "--kubeconfig", kubeconfig, "--log-level=debug")
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	if err := on.StartInNode(node, a.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(a.cmd)
		if t.Failed() {
			t.Logf("log of the agent on %s:\n%s", node, a.log)
		}
	})
	return a
}

// get asks the agent over HTTP, on its node.
func (a *agent) get(path string) (status int, body string, err error) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial: func(network, address string) (conn net.Conn, err error) {
			inside := a.on.InNode(a.node, func() error {
				conn, err = net.DialTimeout(network, address, time.Second)
				return err
			})
			return conn, inside
		},
	}}
	response, err := client.Get("http://127.0.0.1:9470" + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready             bool
	Reasons, Warnings map[string]string
}

func (a *agent) readiness() (r readiness, err error) {
	_, body, err := a.get("/readyz")
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(body), &r)
}

func (a *agent) waitReady() {
	a.t.Helper()
	eventually(a.t, 30*time.Second, func() error {
		r, err := a.readiness()
		if err == nil && !r.Ready {
			err = fmt.Errorf("%s is not ready: %v", a.node, r.Reasons)
		}
		return err
	})
}
