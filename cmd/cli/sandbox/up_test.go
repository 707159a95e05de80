package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// background is the verbs of one user of a sandbox in the background.
type background struct {
	t         *testing.T
	dir, mark string
}

func newBackground(t *testing.T) background {
	needKernel(t)
	b := background{t: t, dir: t.TempDir()}
	b.mark = marked(t, &exec.Cmd{})
	t.Cleanup(func() { b.run("down") })
	return b
}

func (b background) program(args ...string) *exec.Cmd {
	cmd := program("picket", append([]string{"sandbox"}, args...)...)
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+b.dir, b.mark)
	return cmd
}

func (b background) run(args ...string) result {
	b.t.Helper()
	return finish(b.t, b.program(args...))
}

// want runs a verb that must end with this code and print this among other things.
func (b background) want(code int, text string, args ...string) {
	b.t.Helper()
	if got := b.run(args...); got.code != code || !strings.Contains(got.stdout+got.stderr, text) {
		b.t.Errorf("%q: want %d and %q: %v", args, code, text, got)
	}
}

// askBackend reads the name of the pod behind an address of the completed shop.
var askBackend = []string{"exec", "shop/frontend", "--", "bash", "-c",
	"timeout 1 cat < /dev/tcp/10.244.1.2/8080"}

func TestSandboxUpExecDown(t *testing.T) {
	b := newBackground(t)
	dir := folder(t, map[string]string{"shop.yaml": shop})
	b.want(2, "no sandbox is up", "exec", "backend", "true")
	b.want(2, "no sandbox is up", "down")
	b.want(0, "3 pods on 2 nodes and 1 policy", "up", "-f", dir)
	b.want(2, "a sandbox is up already", "up", "-f", dir)
	b.want(0, "shop/backend", askBackend...)
	b.want(7, "", "exec", "stranger", "sh", "-c", "exit 7")
	b.want(137, "", "exec", "stranger", "--", "sh", "-c", "kill -9 $$")
	b.want(0, "10.77.0.2", "exec", "node:node-2", "ip", "address")
	b.want(2, "no pod nobody; there are: shop/backend, shop/frontend, shop/stranger", "exec",
		"nobody", "true")
	b.want(2, "node nobody: not in the sandbox", "exec", "node:nobody", "true")
	b.want(2, "not found", "exec", "backend", "no-such-program")
	echo := b.program("exec", "backend", "cat")
	echo.Stdin = strings.NewReader("said")
	if got := finish(t, echo); got.stdout != "said" {
		t.Error(got)
	}
	b.want(0, "the sandbox is down", "down")
	b.gone()
	b.want(2, "no sandbox is up", "down")
}

// gone demands that nothing is left: no process, no file.
func (b background) gone() {
	b.t.Helper()
	eventually(b.t, "nobody left", func() bool { return living(b.mark) == 0 })
	if left, _ := filepath.Glob(b.dir + "/*"); len(left) > 0 {
		b.t.Errorf("left behind: %v", left)
	}
}

// The agents watch the manifests where those are complete: what is saved there counts.
func TestSandboxUpFollowsTheManifests(t *testing.T) {
	b := newBackground(t)
	dir := folder(t, nil)
	if err := os.CopyFS(dir, os.DirFS("../../../deploy/demo")); err != nil {
		t.Fatal(err)
	}
	b.want(0, "watch the manifests themselves", "up", "-f", dir)
	ask := []string{"exec", "frontend-1", "--", "bash", "-c",
		"timeout 1 cat < /dev/tcp/10.244.2.11/8080"}
	b.want(0, "shop/backend", ask...)
	if err := os.Remove(filepath.Join(dir, "policies.yaml")); err != nil {
		t.Fatal(err)
	}
	stranger := []string{"exec", "stranger", "--", "bash", "-c",
		"timeout 1 cat < /dev/tcp/10.244.2.12/80"}
	eventually(t, "a pod that no policy selects any more is free",
		func() bool { return b.run(stranger...).code == 0 })
	b.want(0, "", "down")
}

// A sandbox whose daemon was killed is as if it had never been.
func TestSandboxUpAfterKill(t *testing.T) {
	b := newBackground(t)
	dir := folder(t, map[string]string{"shop.yaml": shop})
	b.want(0, "", "up", "-f", dir)
	state := stateDir(filepath.Join(b.dir, "picket-sandbox"))
	if err := unix.Kill(state.pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody left", func() bool { return living(b.mark) == 0 })
	// A process that ends has its files a little longer than its memory.
	eventually(t, "no lock", func() bool {
		lock, free, err := state.lock(0)
		if err != nil {
			t.Fatal(err)
		}
		return lock.Close() == nil && free
	})
	b.want(2, "no sandbox is up", "exec", "backend", "true")
	b.want(0, "", "up", "-f", dir)
	b.want(0, "shop/backend", askBackend...)
	b.want(0, "", "down")
	b.gone()
}

// A command gets its client's signals, and goes when the client goes.
func TestSandboxExecSignals(t *testing.T) {
	b := newBackground(t)
	b.want(0, "", "up", "-f", folder(t, map[string]string{"shop.yaml": shop}))
	quiet := living(b.mark)
	for signal, code := range map[unix.Signal]int{unix.SIGINT: 130, unix.SIGTERM: 143,
		unix.SIGKILL: -1} {
		cmd := b.program("exec", "backend", "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "client and command", func() bool { return living(b.mark) == quiet+2 })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code %d after %v", got, signal)
		}
		eventually(t, "no command", func() bool { return living(b.mark) == quiet })
	}
	b.want(0, "", "down")
}

func TestSandboxUpSaysWhatIsWrong(t *testing.T) {
	b := newBackground(t)
	b.want(2, "picket: --manifests is missing", "up")
	b.want(2, "no pod runs", "up", "-f", folder(t, nil))
	b.gone()
}
