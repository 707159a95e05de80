package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// shopParts is the shop in pieces: two pods, a Deployment instead of the third one, and a sound
// policy.
func shopParts(t *testing.T) (pods, policies string, deployment string) {
	documents := strings.SplitAfter(shop, "---\n")
	sound := strings.ReplaceAll(documents[3], ", {ipBlock: {cidr: 10.0.0.0/33}}", "")
	deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: stranger}
spec: {template: {metadata: {labels: {app: stranger}}, spec: {containers: [{name: c, image: i}]}}}
`
	dir := folder(t, map[string]string{"pods.yaml": documents[0] + documents[1],
		"policies.yaml": sound})
	return filepath.Join(dir, "pods.yaml"), filepath.Join(dir, "policies.yaml"), deployment
}

// All paths and the standard input count, and a Deployment has a pod that sends packets.
func TestSandboxRunOfSeveralPaths(t *testing.T) {
	needKernel(t)
	pods, policies, deployment := shopParts(t)
	cmd := program("picket", "sandbox", "run", "-f", pods, "-f", policies, "-f", "-", "--strict")
	cmd.Stdin = strings.NewReader(deployment)
	got := finish(t, cmd)
	const note = "note: 1 pod for 1 workload: Deployment shop/stranger (two at most for each; " +
		"more are decided alike)\n"
	if got.code != 0 || got.stderr != note {
		t.Error(got)
	}
	for _, line := range []string{"shop/stranger-1  node-1  ✗         4✓ 6✗     ✓         ·",
		"with policies:    12 of 16 arrived"} {
		if !strings.Contains(got.stdout, line) {
			t.Errorf("no %q: %v", line, got)
		}
	}
}

func TestSandboxRunIsStrict(t *testing.T) {
	needKernel(t)
	dir := folder(t, map[string]string{"shop.yaml": shop})
	got := finish(t, program("picket", "sandbox", "run", "-f", dir, "--strict"))
	if got.code != 1 || got.stdout != "" || !strings.HasSuffix(got.stderr,
		"picket: --strict: 1 problem in the manifests\n") {
		t.Error(got)
	}
}

// Agents of a sandbox in the background watch several paths where nothing is open, else a completed
// copy of all.
func TestSandboxUpOfSeveralPaths(t *testing.T) {
	b := newBackground(t)
	demo := "../../../deploy/demo/"
	b.want(0, "watch the manifests themselves", "up", "-f", demo+"cluster.yaml", "-f",
		demo+"pods.yaml", "-f", demo+"policies.yaml")
	b.want(0, "shop/backend", "exec", "frontend-1", "--", "bash", "-c",
		"timeout 1 cat < /dev/tcp/10.244.2.11/8080")
	b.want(124, "", "exec", "stranger", "--", "timeout", "1", "bash", "-c",
		"cat < /dev/tcp/10.244.2.11/8080")
	b.want(0, "", "down")
	pods, policies, deployment := shopParts(t)
	up := b.program("up", "-f", pods, "-f", "-", "-f", policies)
	up.Stdin = strings.NewReader(deployment)
	if got := finish(t, up); got.code != 0 || !strings.Contains(got.stdout,
		"watch a completed copy") || !strings.Contains(got.stdout, "shop/stranger-1") {
		t.Error(got)
	}
	b.want(0, "shop/backend", askBackend...)
	b.want(124, "", "exec", "stranger-1", "--", "timeout", "1", "bash", "-c",
		"cat < /dev/tcp/10.244.1.2/8080")
	b.want(0, "", "down")
}

// The command line that a verb is started with again has every value of every flag.
func TestCommandLineIsWhole(t *testing.T) {
	root := &cobra.Command{Use: "picket"}
	root.AddCommand(NewCommand())
	run, flags, err := root.Find([]string{"sandbox", "run", "-f", "a,b", "-f", "-", "-R",
		"--manifests=[c]", "--strict", "--deny=reject"})
	must(t, err)
	must(t, run.ParseFlags(flags))
	got := commandLine(run)
	want := []string{"sandbox", "run", "--deny=reject", "--manifests=a,b", "--manifests=-",
		"--manifests=[c]", "--recursive=true", "--strict=true"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
