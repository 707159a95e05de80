package surroundings

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/e2e/agenthttp"
)

// has is a node that is not ready for a reason with this text in it.
func has(text string) func(agenthttp.Readiness) bool {
	return func(r agenthttp.Readiness) bool { return strings.Contains(fmt.Sprint(r.Reasons), text) }
}

// A family that the kernel does not have holds nobody up, and is warned of: pods have addresses of it
// in their status only.
func TestWithoutIPv6(t *testing.T) {
	if hasIPv6() {
		t.Fatal("this kernel has IPv6; expected ipv6.disable=1")
	}
	n := newNode(t)
	r := n.await("ready", ready)
	if got := r.Warnings["family IPv6"]; !strings.Contains(got, "no IPv6") {
		t.Errorf("warnings: %v", r.Warnings)
	}
	n.wantEnforced()
}

// Without br_netfilter pods of one bridge pass unseen: the node is not ready, and says what to load.
func TestWithoutBridgeFilter(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/bridge"); err == nil {
		t.Fatal("br_netfilter is loaded; expected module_blacklist=br_netfilter")
	}
	n := newNode(t)
	r := n.await("not ready for that reason", has("modprobe br_netfilter"))
	if r.Ready {
		t.Errorf("ready: %+v", r)
	}
}

// The sandbox says at once what it would wait for in vain.
func TestSandboxWithoutBridgeFilter(t *testing.T) {
	// What it costs to start the program at all depends on the machine.
	began := time.Now()
	if err := exec.Command(picket(), "version").Run(); err != nil {
		t.Fatal(err)
	}
	limit := 5*time.Second + 3*time.Since(began)
	began = time.Now()
	text, err := exec.Command(picket(), "sandbox", "run", "-f", "../../../deploy/demo").CombinedOutput()
	if err == nil || !strings.Contains(string(text), "modprobe br_netfilter") {
		t.Errorf("%v:\n%s", err, text)
	}
	if took := time.Since(began); took > limit {
		t.Errorf("not at once, but after %v; expected it within %v:\n%s", took, limit, text)
	}
}

// Without nf_tables an agent that shall use it goes on and says what to load.
func TestWithoutNfTables(t *testing.T) {
	needNoNfTables(t)
	n := newNode(t, "--backend=nftables")
	r := n.await("not ready for that reason", has("modprobe nf_tables"))
	if r.Ready || len(r.KernelLacks) != 1 || !strings.HasPrefix(r.KernelLacks[0], "nf_tables ") {
		t.Errorf("%+v", r)
	}
	metrics, err := n.client.Metrics()
	if here, said := metrics[`picket_kernel_feature{feature="nf_tables"}`]; err != nil || !said || here != 0 {
		t.Errorf("the metric says %v, %t; %v", here, said, err)
	}
	select {
	case err := <-n.ended:
		t.Fatalf("the agent ended: %v", err)
	case <-time.After(3 * time.Second):
	}
	if first, _, _ := strings.Cut(n.log.String(), "\n"); !strings.Contains(first, "lacks=[nf_tables]") {
		t.Errorf("the first line of the log: %s", first)
	}
}

// Left to itself, the agent takes legacy iptables and ipset there, and says so.
func TestIPTablesWithoutNfTables(t *testing.T) {
	needNoNfTables(t)
	n := newNode(t)
	n.await("ready", ready)
	n.wantEnforced()
	if first, _, _ := strings.Cut(n.log.String(), "\n"); !strings.Contains(first, "backend=iptables") {
		t.Errorf("the first line of the log: %s", first)
	}
}

// needNoNfTables fails where there is nf_tables.
func needNoNfTables(t *testing.T) {
	t.Helper()
	if exec.Command("nft", "list", "tables").Run() == nil {
		t.Fatal("nf_tables is there; expected module_blacklist=nf_tables")
	}
}

// A small machine is as good as another one, and its agent says first what its kernel lacks.
func TestSmallMachine(t *testing.T) {
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		t.Fatal(err)
	}
	if has := memory.Totalram * uint64(memory.Unit) >> 20; has > 512 || runtime.NumCPU() > 1 {
		t.Fatalf("%d MiB and %d processors; expected a machine with 512 MiB and one", has, runtime.NumCPU())
	}
	n := newNode(t)
	r := n.await("ready", ready)
	n.wantEnforced()
	lacks := []string{}
	for _, feature := range r.KernelLacks {
		name, _, _ := strings.Cut(feature, " ")
		lacks = append(lacks, name)
	}
	first, _, _ := strings.Cut(n.log.String(), "\n")
	if _, said, _ := strings.Cut(first, " lacks="); !strings.Contains(said, fmt.Sprint(lacks)) {
		t.Errorf("the first line of the log, with a kernel that lacks %v: %s", lacks, first)
	}
}
