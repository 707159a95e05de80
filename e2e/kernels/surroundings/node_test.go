package surroundings

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/agenthttp"
)

// TestMain lets only machines run these tests that were started for one of them.
func TestMain(m *testing.M) {
	if os.Getenv("PICKET_VM") == "" {
		fmt.Println("these tests want a virtual machine that lacks something: make kernels")
		return
	}
	os.Exit(m.Run())
}

// patience is how long an agent may take on a slow machine.
const patience = 3 * time.Minute

// node is one node with the pods default/client and default/server, of which the second is
// isolated: by ingress, once the agent runs.
type node struct {
	*sandbox.Cluster
	t      *testing.T
	client *agenthttp.Client
	log    *lockedBuffer
	ended  chan error
}

// manifest is the state of the cluster. Each pod says that it has an IPv6 address.
const manifest = `
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.244.1.0/24, "fd00:10:244:1::/64"]}
status: {addresses: [{type: InternalIP, address: 192.168.77.1}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {kubernetes.io/metadata.name: default}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default, labels: {app: client}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.1.2, podIPs: [{ip: 10.244.1.2}, {ip: "fd00:10:244:1::2"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: default, labels: {app: server}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.1.3, podIPs: [{ip: 10.244.1.3}, {ip: "fd00:10:244:1::3"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-port-80, namespace: default}
spec: {podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: 80}]}]}
`

// newNode makes the node and its pods with IPv4 addresses, and starts the agent, with more flags.
func newNode(t *testing.T, more ...string) *node {
	t.Helper()
	cluster, err := sandbox.New([]sandbox.Node{{Name: "n1",
		Addrs:    []netip.Addr{netip.MustParseAddr("192.168.77.1")},
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	n := &node{Cluster: cluster, t: t, client: agenthttp.New(cluster, "n1", agenthttp.DefaultAddr),
		log: &lockedBuffer{}, ended: make(chan error, 1)}
	for name, addr := range map[string]string{"client": "10.244.1.2", "server": "10.244.1.3"} {
		n.must(cluster.AddPod(sandbox.Pod{Name: "default/" + name, Node: "n1",
			Addrs: []netip.Addr{netip.MustParseAddr(addr)}}))
	}
	for _, port := range []uint16{80, 81} {
		n.must(cluster.Serve("default/server", sandbox.TCP, port))
	}
	dir := t.TempDir()
	text := manifest
	if hasIPv6() { // which the pods of the sandbox have no address of
		text = ipv6Address.ReplaceAllString(manifest, "")
	}
	n.must(os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(text), 0o644))
	flags := append([]string{"agent", "--node-name", "n1", "--manifests", dir}, more...)
	agent := exec.Command(picket(), flags...)
	agent.Stderr = n.log
	n.must(cluster.StartInNode("n1", agent))
	go func() { n.ended <- agent.Wait() }()
	t.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		<-n.ended
		t.Logf("the agent's log:\n%s", n.log.String())
	})
	return n
}

// ipv6Address is the second address of a pod in manifest.
var ipv6Address = regexp.MustCompile(`, \{ip: "fd00[^}]*\}`)

// hasIPv6 reports whether the kernel has IPv6.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// picket is the program that is tested.
func picket() string {
	program, _ := filepath.Abs("../../../bin/picket")
	return program
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// await waits until /readyz says something.
func (n *node) await(what string, holds func(agenthttp.Readiness) bool) agenthttp.Readiness {
	n.t.Helper()
	var last agenthttp.Readiness
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if last, err = n.client.Readiness(); err == nil && holds(last) {
			return last
		}
	}
	n.t.Fatalf("not within %v: %s; %+v, %v; log:\n%s", patience, what, last, err, n.log.String())
	return last
}

// ready is a node that enforces.
func ready(r agenthttp.Readiness) bool { return r.Ready }

// wantEnforced sends packets: port 80 of the server is open to the client, port 81 is not.
func (n *node) wantEnforced() {
	n.t.Helper()
	for port, want := range map[uint16]sandbox.Outcome{80: sandbox.Open, 81: sandbox.Silent} {
		got, err := n.Run(n.t.Context(), []sandbox.Probe{{From: "default/client",
			To: "default/server", Addr: netip.MustParseAddr("10.244.1.3"), Protocol: sandbox.TCP,
			Port: port}}, time.Second)
		if n.must(err); got[0] != want {
			n.t.Errorf("port %d is %v, want %v", port, got[0], want)
		}
	}
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
