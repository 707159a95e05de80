package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset/pace"
)

// speed scales limits, so that a slow machine is not taken for a fault.
var speed = pace.Measure()

// needKernel skips a test where network namespaces are not permitted.
func needKernel(t testing.TB) {
	t.Helper()
	ns, err := NewNetns()
	if errors.Is(err, unix.EPERM) {
		cannotRun(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
}

// cannotRun skips a test for a reason that lies in the machine. With
// REQUIRE_KERNEL=1 that is a failure.
func cannotRun(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		t.Fatal(why)
	}
	t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", why)
}

const (
	webPort    = 80
	closedPort = 81
)

// Only probes that are silent cost their timeout, so those that are to be open may have one that
// the slowest machine keeps.
var (
	timeout     = speed.Wait(500 * time.Millisecond)
	openTimeout = speed.Limit(5 * time.Second)
)

func addrs(texts ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, text := range texts {
		parsed = append(parsed, netip.MustParseAddr(text))
	}
	return parsed
}

// threeNodes are dual-stack nodes a, b and c.
func threeNodes() []Node {
	var nodes []Node
	for i, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, Node{
			Name:  name,
			Addrs: addrs(fmt.Sprintf("172.20.0.%d", i+10), fmt.Sprintf("fd00:20::%d", i+10)),
			PodCIDRs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", i)),
				netip.MustParsePrefix(fmt.Sprintf("fd00:244:0:%d::/64", i)),
			},
		})
	}
	return nodes
}

// podOn is the pod number i of a node, dual-stack.
func podOn(node string, i int) Pod {
	n := int(node[0] - 'a')
	return Pod{
		Name: fmt.Sprintf("default/%s%d", node, i), Node: node,
		Addrs: addrs(fmt.Sprintf("10.244.%d.%d", n, i+10),
			fmt.Sprintf("fd00:244:0:%d::%d", n, i+10)),
	}
}

func newCluster(t testing.TB, nodes []Node) *Cluster {
	t.Helper()
	needKernel(t)
	c, err := New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// start adds pods that serve webPort over both protocols.
func start(t testing.TB, c *Cluster, pods ...Pod) {
	t.Helper()
	for _, p := range pods {
		if err := c.AddPod(p); err != nil {
			t.Fatal(err)
		}
		for _, proto := range []Protocol{TCP, UDP} {
			if err := c.Serve(p.Name, proto, webPort); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// podsPerNode are the pods of threeNodes, so many on each.
func podsPerNode(count int) []Pod {
	var pods []Pod
	for _, node := range []string{"a", "b", "c"} {
		for i := range count {
			pods = append(pods, podOn(node, i))
		}
	}
	return pods
}

// between probes one pod from another: each address, both protocols.
func between(from, to Pod, port uint16) []Probe {
	var probes []Probe
	for _, a := range to.Addrs {
		for _, proto := range []Protocol{TCP, UDP} {
			probes = append(probes, Probe{From: from.Name, To: to.Name, Addr: a, Protocol: proto,
				Port: port})
		}
	}
	return probes
}

// allPairs probes every pod from every other.
func allPairs(pods []Pod) []Probe {
	var probes []Probe
	for _, from := range pods {
		for _, to := range pods {
			if from.Name != to.Name {
				probes = append(probes, between(from, to, webPort)...)
			}
		}
	}
	return probes
}

func run(t testing.TB, c *Cluster, timeout time.Duration, probes ...Probe) []Outcome {
	t.Helper()
	outcomes, err := c.Run(context.Background(), probes, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// want runs probes that must all end alike.
func want(t testing.TB, c *Cluster, outcome Outcome, probes ...Probe) {
	t.Helper()
	wait := openTimeout
	if outcome == Silent {
		wait = timeout
	}
	for i, got := range run(t, c, wait, probes...) {
		if got != outcome {
			t.Errorf("%s: %s, want %s", probes[i], got, outcome)
		}
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	limit := speed.Limit(10 * time.Second)
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
