package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// verb is the variable that makes the test binary behave like a verb that
// enters the sandbox first.
const verb = "SANDBOX_TEST_VERB"

func TestMain(m *testing.M) {
	if name := os.Getenv(verb); name != "" {
		os.Exit(runVerb(name))
	}
	os.Exit(m.Run())
}

func runVerb(name string) int {
	inside, code, err := Enter(os.Args[1:])
	if err != nil {
		fmt.Println("error:", err)
		return 99
	}
	if !inside {
		return code
	}
	fmt.Println("pid", os.Getpid(), "args", os.Args[1:], "told", os.Getenv(outsideVariable) != "")
	switch name {
	case "probe":
		return probeInside()
	case "wait":
		return waitInside()
	}
	return 98
}

func probeInside() int {
	c, err := New(threeNodes())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	pods := podsPerNode(1)
	for _, p := range pods {
		if err := errors.Join(c.AddPod(p), c.Serve(p.Name, TCP, webPort),
			c.Serve(p.Name, UDP, webPort)); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	outcomes, err := c.Run(context.Background(), allPairs(pods), openTimeout)
	fmt.Println(outcomes, err)
	for _, o := range outcomes {
		if o != Open {
			return 2
		}
	}
	return 42
}

// waitInside ends by a signal. Its child holds the standard output open, so that
// whoever reads that sees the end of it only after the child's.
func waitInside() int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	child := exec.Command("sleep", "1000")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	return int((<-signals).(syscall.Signal))
}

func verbCommand(name string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("/proc/self/exe", "one", "two")
	cmd.Env = append(os.Environ(), verb+"="+name)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd, &output
}

func TestEnterAsRoot(t *testing.T) {
	needKernel(t)
	enterAndProbe(t, func(*exec.Cmd) {})
}

// A variable that was inherited from somewhere does not count as being inside.
func TestEnterDespiteAnInheritedVariable(t *testing.T) {
	needKernel(t)
	enterAndProbe(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, outsideVariable+"=net:[1]") })
}

func TestEnterAsAnybody(t *testing.T) {
	needKernel(t)
	if why := explain(unix.EPERM, readSetting); strings.Contains(why.Error(), "sysctl") {
		cannotRun(t, why)
	}
	enterAndProbe(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		cmd.Dir = "/"
	})
}

func enterAndProbe(t *testing.T, adapt func(*exec.Cmd)) {
	t.Helper()
	cmd, output := verbCommand("probe")
	adapt(cmd)
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 42 {
		t.Errorf("exit code %d, want 42; error %v; output:\n%s", code, err, output)
	}
	if !strings.Contains(output.String(), "pid 1 args [one two] told false\n") {
		t.Errorf("output:\n%s", output)
	}
}

func TestSignalsReachTheInside(t *testing.T) {
	needKernel(t)
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT} {
		cmd, output := startWaiting(t, func(cmd *exec.Cmd) { cmd.SysProcAttr.Setsid = true })
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		endOf(t, output)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != int(s) {
			t.Errorf("exit code %d after %v", code, s)
		}
	}
}

func TestNothingSurvivesSIGKILL(t *testing.T) {
	needKernel(t)
	cmd, output := startWaiting(t, func(*exec.Cmd) {})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	endOf(t, output)
	_ = cmd.Wait()
}

// startWaiting starts the verb and returns once it and its child are up.
func startWaiting(t *testing.T, adapt func(*exec.Cmd)) (*exec.Cmd, *os.File) {
	t.Helper()
	cmd, _ := verbCommand("wait")
	adapt(cmd)
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { output.Close() })
	cmd.Stdout, cmd.Stderr = input, input
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	input.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_ = output.SetReadDeadline(time.Now().Add(speed.Limit(20 * time.Second)))
	var text []byte
	for buffer := make([]byte, 512); !bytes.Contains(text, []byte("ready\n")); {
		n, err := output.Read(buffer)
		if err != nil {
			t.Fatalf("before it was ready: %v; output:\n%s", err, text)
		}
		text = append(text, buffer[:n]...)
	}
	return cmd, output
}

// endOf demands that everybody who holds the other end of the pipe goes.
func endOf(t *testing.T, output *os.File) {
	t.Helper()
	_ = output.SetReadDeadline(time.Now().Add(speed.Limit(20 * time.Second)))
	if rest, err := io.ReadAll(output); err != nil {
		t.Fatalf("somebody lives on: %v, output %q", err, rest)
	}
}

func TestExplain(t *testing.T) {
	for _, row := range []struct {
		err  error
		set  map[string]string
		want string
	}{
		{unix.ENOENT, nil, "no such file or directory"},
		{unix.EPERM, nil, "seccomp"},
		{unix.EPERM, map[string]string{"kernel.unprivileged_userns_clone": "0"},
			"sysctl -w kernel.unprivileged_userns_clone=1"},
		{unix.ENOSPC, map[string]string{"user.max_user_namespaces": "0"},
			"sysctl -w user.max_user_namespaces=15000"},
		{unix.EACCES, map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"},
			"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{unix.EPERM, map[string]string{"kernel.unprivileged_userns_clone": "1"}, "seccomp"},
	} {
		got := explain(row.err, func(name string) string { return row.set[name] })
		if !errors.Is(got, row.err) || !strings.Contains(got.Error(), row.want) {
			t.Errorf("%v with %v: %v", row.err, row.set, got)
		}
	}
}

func TestExitCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		code, err := exitCode(exec.Command("sh", "-c", script).Run())
		if code != want || err != nil {
			t.Errorf("%s: %d, %v", script, code, err)
		}
	}
}
