package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const shopReport = `3 pods on 2 nodes tried to reach each other, without and with 1 policy.

                   to  shop
                       backend             frontend  stranger
from           on      tcp/8080  udp/8080  tcp/80    tcp/80
shop/backend   node-1  ·         ·         ✓         ✓
shop/frontend  node-2  ✓         4✓ 6✗     ·         ✓
shop/stranger  node-1  ✗         4✓ 6✗     ✓         ·

✓ arrives    ✗ denied by the policies (it arrived without them)    4 6 IPv4 and IPv6 differ    · the pod itself

without policies: 16 of 16 probes arrived
with policies:    12 of 16 arrived, just as the rules say; 4 were %s
`

// shopWarning is what is wrong with the shop, in the file shop.yaml of a folder.
const shopWarning = `warning: %s/shop.yaml: document 4: NetworkPolicy shop/backend: spec.ingress[1].from[1].ipBlock.cidr: Invalid value: "10.0.0.0/33": is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8
`

func TestSandboxRun(t *testing.T) {
	needKernel(t)
	dir := folder(t, map[string]string{"shop.yaml": shop})
	for deny, manner := range map[string]string{"drop": "dropped without an answer",
		"reject": "rejected with an answer"} {
		got := finish(t, program("picket", "sandbox", "run", "-f", dir, "--deny", deny))
		if diff := cmp.Diff(result{stdout: fmt.Sprintf(shopReport, manner),
			stderr: fmt.Sprintf(shopWarning, dir)}, got,
			cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("--deny %s:\n%s", deny, diff)
		}
	}
}

func TestSandboxRunAsAnybody(t *testing.T) {
	needKernel(t)
	if os.Geteuid() != 0 {
		t.Skip("TestSandboxRun has been nobody in particular already")
	}
	cmd := program("picket", "sandbox", "run", "-f",
		folder(t, map[string]string{"shop.yaml": shop}))
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	cmd.Dir = "/"
	if got := finish(t, cmd); got.code != 0 || got.stdout != fmt.Sprintf(shopReport,
		"dropped without an answer") {
		t.Error(got)
	}
}

// Where packets and rules disagree the exit code is 1 and the report names each disagreement. Here
// it is the rules that are wrong: about all of it.
func TestSandboxRunDiffers(t *testing.T) {
	needKernel(t)
	got := finish(t, program("liar", "sandbox", "run", "-f",
		folder(t, map[string]string{"shop.yaml": shop}), "--timeout", "100ms"))
	for _, want := range []string{
		"shop/frontend  node-2  ✓!        4✓! 6✗!   ·         ✓!\n",
		"12 of 16 arrived, but 16 not as the rules say; 4 were dropped",
		"! packets and rules disagree, see below",
		"\n  shop/stranger -> shop/backend tcp/8080 IPv4: silent, though the rules allow it\n",
		"\n  shop/frontend -> shop/backend tcp/8080 IPv6: arrives, though the rules deny it\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q", want)
		}
	}
	if got.code != 1 || t.Failed() {
		t.Errorf("want exit code 1: %v", got)
	}
}

// What would take too long is refused before anything is made, with what to do.
func TestSandboxRunRefusesTooMuch(t *testing.T) {
	dir := folder(t, map[string]string{"shop.yaml": shop})
	got := finish(t, program("picket", "sandbox", "run", "-f", dir, "--limit", "15"))
	want := fmt.Sprintf(shopWarning, dir) + "picket: --limit: 3 pods are 16 probes, twice, which " +
		"take about 10s; expected at most 15: take fewer manifests, such as those of one namespace, " +
		"or say --limit 16\n"
	if diff := cmp.Diff(result{code: 2, stderr: want}, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Error(diff)
	}
}

// The demo reports what a newcomer should see: who of the shop may do what, and the one mistake.
func TestSandboxRunDemo(t *testing.T) {
	needKernel(t)
	got := finish(t, program("picket", "sandbox", "run", "-f", "../../../deploy/demo", "-o",
		"json"))
	var doc Document
	if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || got.code != 0 {
		t.Fatal(err, got)
	}
	if doc.Differences != 0 || doc.Before != len(doc.Probes) || len(doc.Problems) != 1 {
		t.Error(got)
	}
	for _, p := range doc.Probes {
		dns, backend := p.To == "kube-system/dns", p.To == "shop/backend" &&
			strings.HasPrefix(p.From, "shop/frontend-")
		free := p.To == "other/client" && p.From == "kube-system/dns"
		if open := dns || backend || free; open != (p.After == "open") || !open &&
			p.After != "silent" {
			t.Errorf("%+v, want it open: %t", p, open)
		}
	}
}

// However it ends in the middle of the work, it ends at once and nothing stays: no process, and
// with the processes no namespace; no file.
func TestSandboxRunLeavesNothing(t *testing.T) {
	needKernel(t)
	dir := folder(t, map[string]string{"shop.yaml": shop})
	for signal, code := range map[unix.Signal]int{unix.SIGINT: 130, unix.SIGTERM: 143,
		unix.SIGKILL: -1} {
		cmd := program("picket", "sandbox", "run", "-f", dir, "--timeout", "1m")
		temporary := t.TempDir()
		cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
		mark := marked(t, cmd)
		cmd.SysProcAttr.Setsid = true
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "two agents, in the sandbox, with their parent outside",
			func() bool { return living(mark) == 4 })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code %d after %v", got, signal)
		}
		eventually(t, "nobody left", func() bool { return living(mark) == 0 })
		if left, _ := filepath.Glob(temporary + "/*"); len(left) > 0 {
			t.Errorf("after %v: %v", signal, left)
		}
	}
}

func TestSandboxRunRefuses(t *testing.T) {
	for _, row := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"output", []string{"-f", "x", "-o", "xml"}, `-o "xml": expected table or json`},
		{"timeout", []string{"-f", "x", "--timeout", "0s"},
			`--timeout 0s: expected more than nothing`},
		{"deny", []string{"-f", "x", "--deny", "never"}, `--deny: `},
		{"argument", []string{"x"}, `unknown command "x" for "picket sandbox run"`},
	} {
		got := finish(t, program("picket", append([]string{"sandbox", "run"}, row.flags...)...))
		if got.code != 2 || !strings.HasPrefix(got.stderr, "picket: "+row.want) {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestSandboxRunSaysWhatIsWrong(t *testing.T) {
	needKernel(t)
	policies := shop[strings.LastIndex(shop, "---"):]
	for _, row := range []struct{ name, manifests, want string }{
		{"no pods", policies, "no pod that runs (only 1 NetworkPolicy); expected objects of kind " +
			"Pod, or of one that makes pods, such as Deployment"},
		{"no pods, in the end", policies,
			"picket: no pod runs, so there is nobody to send packets"},
		{"address twice", podAt("a", "10.0.0.1") + podAt("b", "10.0.0.1"),
			"add pod default/b: 10.0.0.1 belongs to pod default/a"},
		{"no address", podAt("a", "10.0.0"),
			`pod default/a: status.podIPs "10.0.0": expected an IP address`},
	} {
		got := finish(t, program("picket", "sandbox", "run", "-f",
			folder(t, map[string]string{"x.yaml": row.manifests})))
		if got.code != 2 || !strings.Contains(got.stderr, row.want) ||
			strings.Count("\n"+got.stderr, "\npicket: ") != 1 {
			t.Errorf("%s: want %q, got %v", row.name, row.want, got)
		}
	}
}

func podAt(name, ip string) string {
	return fmt.Sprintf(
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nstatus: {podIP: %q}\n", name, ip)
}
