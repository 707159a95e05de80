package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/inspect"
)

// Role is the variable that makes the test binary behave like the program: "picket", or "liar" for
// one whose rules say the opposite of everything. The sandbox runs its own program again, as itself
// and as agents, so that must be this binary.
const Role = "PICKET_TEST_ROLE"

// Lie runs the verb sandbox with rules that say the opposite of everything.
func Lie(args []string) int {
	root := &cobra.Command{Use: "picket", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(newCommand(&runOptions{distort: func(rules decide) decide {
		return func(from, to inspect.Pod, port inspect.Port) bool { return !rules(from, to, port) }
	}}))
	root.SetArgs(args)
	err := root.Execute()
	var code exit.Code
	if err == nil || errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintln(os.Stderr, err)
	return 99
}

// program is the binary with arguments, in a role.
func program(as string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), Role+"="+as)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd
}

// needKernel skips a test where namespaces are not permitted. With REQUIRE_KERNEL=1 that is a
// failure.
func needKernel(t *testing.T) {
	t.Helper()
	cmd := program("picket", "version")
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	}
	err := cmd.Run()
	if err == nil {
		return
	}
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		t.Fatal(err)
	}
	t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
}

// needRoot is needKernel for tests that make namespaces themselves, which only root can for a
// process that runs already.
func needRoot(t *testing.T) {
	t.Helper()
	needKernel(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOTHING WAS TESTED: only root makes namespaces for a process that runs " +
			"already")
	}
}

// result is how a program ended and what it printed.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", r.code, r.stdout, r.stderr)
}

// finish runs a command to its end, and returns what it printed and how it ended.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// folder writes files, given by name, into a folder that every user can read.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// marked adds to a program a variable that everything inherits that it starts.
func marked(t *testing.T, cmd *exec.Cmd) (mark string) {
	mark = fmt.Sprintf("PICKET_TEST_MARK=%s-%d", t.Name(), os.Getpid())
	cmd.Env = append(cmd.Env, mark)
	return mark
}

// living counts the processes that have the mark, whatever their namespaces.
func living(mark string) int {
	count := 0
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		if text, err := os.ReadFile(path); err == nil &&
			strings.Contains(string(text), mark+"\x00") {
			count++
		}
	}
	return count
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(
		5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// shop is three pods that leave everything open but their labels, and a policy that lets only one
// of them reach the backend, over IPv4 only.
const shop = `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: backend, labels: {app: backend}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: frontend, labels: {app: frontend}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: stranger}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: backend}
spec:
  podSelector: {matchLabels: {app: backend}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: frontend}}}]
    ports: [{port: 8080}]
  - from: [{ipBlock: {cidr: 10.244.0.0/16}}, {ipBlock: {cidr: 10.0.0.0/33}}]
    ports: [{port: 8080, protocol: UDP}]
`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
