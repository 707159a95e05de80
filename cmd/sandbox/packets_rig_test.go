package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/pace"
)

// speed scales limits, so that a slow machine is not taken for a fault.
var speed = pace.Measure()

// rig is a sandbox whose nodes the product runs: a controller each, over the nftables of the node's
// own namespace. A test tells it worlds; what comes of them is asked with packets.
//
//	oracle.World ──► pods of the sandbox (build)
//	             └─► the difference to the world before, as events ──► controllers (tell) ──► kernel (waitInForce)
//
// Beside the nodes n1, n2 and n3 of the worlds there is a host outside, "out", and on each of the
// four a process of the host, which as a pod of the sandbox is called host/n1 and so on.
type rig struct {
	*sandbox.Cluster
	t      testing.TB
	agents map[string]*agent      // by node
	pods   map[string]sandbox.Pod // of the world
	told   *oracle.World          // what the controllers know
	// by address, those outside, whom nobody tells the controllers of
	strangers map[netip.Addr]string
}

// rigOptions say how the nodes of a rig are run.
type rigOptions struct {
	open     func(netns int, shared bool) kernel // makes the backend; nil is nftables
	denial   ruleset.Denial
	idle     bool // nobody runs the nodes until start
	strict   bool // pods are denied until they are known
	shared   bool // the kernel lets anybody change the tables
	readOnly bool // the controller may not write to /proc/sys
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	needKernel(t)
	c, err := sandbox.New(rigNodes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	r := &rig{Cluster: c, t: t, agents: map[string]*agent{}, pods: map[string]sandbox.Pod{},
		told: &oracle.World{}, strangers: map[netip.Addr]string{}}
	for _, n := range rigNodes() {
		r.must(c.AddPod(sandbox.Pod{Name: hostOf(n.Name), Node: n.Name, HostNetwork: true}))
		r.must(c.InNode(n.Name, unfilterBridges))
		if len(n.PodCIDRs) > 0 {
			r.agents[n.Name] = newAgent(r, n.Name, o)
		}
	}
	if !o.idle {
		r.start()
	}
	return r
}

// rigNodes have the addresses of the nodes in oracle.Random; out has those that it asks about
// outside.
func rigNodes() []sandbox.Node {
	nodes := []sandbox.Node{{Name: "out", Addrs: []netip.Addr{netip.MustParseAddr("8.8.8.8"),
		netip.MustParseAddr("2001:db8::1")}}}
	for n := 1; n <= 3; n++ {
		nodes = append(nodes, sandbox.Node{
			Name: fmt.Sprintf("n%d", n),
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 77, 0, byte(10 + n)}),
				netip.MustParseAddr(fmt.Sprintf("fd77::1%d", n))},
			PodCIDRs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", n)),
				netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%d::/64", n)),
			},
		})
	}
	return nodes
}

// hostOf is the name of the process of a host, as a pod of the sandbox.
func hostOf(node string) string { return "host/" + node }

// bridgeSwitches are set in a new namespace on many machines; the product has to set them where
// they are not.
var bridgeSwitches = []string{"/proc/sys/net/bridge/bridge-nf-call-iptables",
	"/proc/sys/net/bridge/bridge-nf-call-ip6tables"}

func unfilterBridges() error {
	var errs []error
	for _, path := range bridgeSwitches {
		errs = append(errs, os.WriteFile(path, []byte("0"), 0))
	}
	return errors.Join(errs...)
}

// start runs every node.
func (r *rig) start() {
	r.t.Helper()
	for _, a := range r.agents {
		a.start(r.t)
	}
	r.waitInForce()
}

// become brings the sandbox and the controllers to a world and waits until the kernels hold it.
func (r *rig) become(w *oracle.World) {
	r.t.Helper()
	r.build(w)
	r.tell(w)
}

// waitInForce waits until the kernels of all nodes hold what was fed to their controllers.
//
// A complaint shows in the health once its mail was read, and the loop reads on only after it has
// carried out what it read before. So a second mark that shows, sent after the first one showed,
// tells that all that came before the first was carried out; where that failed the node is not
// ready until it went well.
func (r *rig) waitInForce() {
	r.t.Helper()
	for range 2 {
		for _, a := range r.agents {
			a.mark()
		}
		for _, a := range r.agents {
			a.await(r.t, "the mark was read", a.marked)
		}
	}
	for _, a := range r.agents {
		a.await(r.t, "it is ready", a.ready)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// errorLog shows errors only: worlds with bad input warn a lot.
func errorLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// needKernel skips a test where the machine cannot run it. With REQUIRE_KERNEL=1 that is a failure.
func needKernel(t testing.TB) {
	t.Helper()
	ns, err := sandbox.NewNetns()
	if err == nil {
		ns.Close()
		_, err = os.Stat(bridgeSwitches[0])
	}
	switch {
	case err == nil:
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, os.ErrNotExist),
		os.Getenv("REQUIRE_KERNEL") == "1":
		t.Fatal(err)
	default:
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !poll(condition) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// patience is for what takes milliseconds on a machine that has nothing else to do.
var patience = speed.Limit(20 * time.Second)

func poll(condition func() bool) bool { return holdsWithin(patience, condition) }

// silence is how long what should not arrive is waited for.
var silence = speed.Wait(50 * time.Millisecond)

func holdsWithin(span time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(span); !condition(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// run sends probes. An error may pass: other users of the machine can fill its neighbour table for
// a while.
func (r *rig) run(timeout time.Duration, probes []sandbox.Probe) []sandbox.Outcome {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		outcomes, err := r.Run(context.Background(), probes, timeout)
		if err == nil {
			return outcomes
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}
