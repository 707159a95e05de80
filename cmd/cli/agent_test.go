package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/picket-project/picket/cmd/sandbox"
)

const health = "127.0.0.1:9470"

// One pod more in a folder of 10,000 reaches the kernel as one transaction with one element in it:
// the first transaction that the kernel tells of after one file was added is that pod's, and so is
// the next one.
func TestAgentAddsOnePodWithOneElement(t *testing.T) {
	here, dir := thousandsHere(t)
	monitor := nftables.NewMonitor()
	defer monitor.Close()
	var transactions chan *nftables.MonitorEvents
	must(t, here.Do(func() (err error) {
		transactions, err = (&nftables.Conn{}).AddGenerationalMonitor(monitor)
		return err
	}))
	for i := range 2 {
		put(t, dir, fmt.Sprintf("pod-%d.yaml", i),
			manifestOf(fmt.Sprintf("late-%d", i), fmt.Sprintf("10.99.0.%d", i+1)))
		select {
		case got := <-transactions:
			checkElement(t, got, []byte{10, 99, 0, byte(i + 1)})
		case <-time.After(20 * time.Second):
			t.Fatal("nothing reached the kernel")
		}
	}
}

// newNetns makes a network namespace for the test. Where that is not permitted the test is skipped;
// with REQUIRE_KERNEL=1 that is a failure.
func newNetns(t *testing.T) sandbox.Netns {
	t.Helper()
	ns, err := sandbox.NewNetns()
	if err != nil && os.Getenv("REQUIRE_KERNEL") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}

// podBridge makes a bridge with a route to the pod of this node.
func podBridge() error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0", Flags: net.FlagUp}}
	subnet, err := netlink.ParseAddr("10.2.0.254/24")
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkAdd(bridge), netlink.AddrAdd(bridge, subnet))
}

// checkElement wants one new element with that key among what the kernel tells of.
func checkElement(t *testing.T, got *nftables.MonitorEvents, want []byte) {
	t.Helper()
	if len(got.Changes) != 1 || got.Changes[0].Type != nftables.MonitorEventTypeNewSetElem {
		t.Fatalf("one pod made %d changes, the first of type %v; want one new element",
			len(got.Changes), got.Changes[0].Type)
	}
	elements, ok := got.Changes[0].Data.([]nftables.SetElement)
	if !ok || len(elements) != 1 || string(elements[0].Key) != string(want) {
		t.Fatalf("elements %v, want the one of %v", got.Changes[0].Data, want)
	}
}

// runAgent runs an agent in a network namespace until the test ends.
func runAgent(t *testing.T, where sandbox.Netns, o agentOptions) {
	t.Helper()
	runLogged(t, where, o, io.Discard)
}

// runLogged is runAgent with a place for the log.
func runLogged(t *testing.T, where sandbox.Netns, o agentOptions, log io.Writer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- where.Do(func() error {
			return o.run(ctx,
				slog.New(slog.NewTextHandler(log, nil)))
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
}

// waitReady asks /readyz until it answers 200.
func waitReady(t *testing.T, where sandbox.Netns) {
	t.Helper()
	answer := ""
	for deadline := time.Now().Add(time.Minute); !strings.Contains(answer, " 200 "); time.Sleep(
		20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", answer)
		}
		_ = where.Do(func() error {
			conn, err := net.Dial("tcp", health)
			if err != nil {
				return err
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /readyz HTTP/1.0\r\n\r\n")
			answer, err = bufio.NewReader(conn).ReadString('\n')
			return err
		})
	}
}

// thousandsHere runs an agent of these in a network namespace, until it is ready. Its files are in a
// folder.
func thousandsHere(t *testing.T) (here sandbox.Netns, dir string) {
	t.Helper()
	here, dir = newNetns(t), t.TempDir()
	must(t, here.Do(podBridge))
	put(t, dir, "cluster.yaml", thousands())
	runAgent(t, here, agentOptions{node: "n1", manifests: []string{dir}, health: health,
		deny: "drop", own: true})
	waitReady(t, here)
	return here, dir
}

// thousands is 10,000 pods of another node and one of this one, which a policy lets all the others
// reach.
func thousands() string {
	var b strings.Builder
	for i := range 10000 {
		b.WriteString(manifestOf(fmt.Sprintf("pod-%d", i),
			fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250)))
	}
	b.WriteString(ownPod)
	return b.String()
}

// ownPod is the pod of this node, and its policy.
const ownPod = `---
apiVersion: v1
kind: Pod
metadata: {name: own, labels: {app: own}}
spec: {nodeName: n1}
status: {podIP: 10.2.0.1}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {matchLabels: {app: own}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
`

func manifestOf(name, addr string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\n"+
		"metadata: {name: %s, labels: {app: web}}\nspec: {nodeName: n2}\nstatus: {podIP: %s}\n",
		name, addr)
}

// put replaces a file atomically.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	temporary := filepath.Join(dir, "."+name)
	must(t, os.WriteFile(temporary, []byte(text), 0o600))
	must(t, os.Rename(temporary, filepath.Join(dir, name)))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
