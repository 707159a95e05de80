package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// up starts the cluster. What has failed half way, or is interrupted, is taken down again; its logs stay.
func up(ctx context.Context, h home, v variant) (err error) {
	if s, err := h.state(); err == nil && slices.ContainsFunc(s.Processes, process.alive) {
		return fmt.Errorf("a cluster is up (%s); expected none, run: make cluster-down", s.Variant)
	}
	if err := errors.Join(down(h), os.MkdirAll(h.run("log"), 0o700)); err != nil {
		return err
	}
	begun := time.Now()
	step := func(what string) { fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(begun).Seconds(), what) }
	s := &state{Variant: v}
	defer func() {
		if err != nil {
			err = errors.Join(err, halt(h, s), keepLogs(h, begun))
		}
	}()
	if err := errors.Join(h.save(s), writePKI(h, v), connect(v)); err != nil {
		return err
	}
	if err := startControlPlane(ctx, h, s); err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	step("the API server answers")
	if err := startNodes(h, s); err != nil {
		return err
	}
	if err := waitNodes(ctx, h, s); err != nil {
		return err
	}
	step(fmt.Sprintf("%d nodes are ready (%s)", v.Nodes, v))
	return nil
}

// keepLogs moves the logs of a start that failed to where no later start removes them.
func keepLogs(h home, begun time.Time) error {
	kept := h.path("failed", begun.UTC().Format("2006-01-02T15-04-05"))
	err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o700), os.Rename(h.run("log"), kept))
	return errors.Join(err, fmt.Errorf("the logs are in %s", kept))
}

// startNodes runs this program as the first process of every node.
func startNodes(h home, s *state) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, node := range s.Variant.nodes() {
		cmd := exec.Command(self, "node", node.Name)
		cmd.Env = append(os.Environ(), "CACHE="+filepath.Dir(string(h)))
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID}
		if err := h.start(s, node, node.Name, cmd); err != nil {
			return err
		}
	}
	return nil
}

// down stops a cluster and forgets it. Where there is none it does nothing.
func down(h home) error {
	s, err := h.state()
	if errors.Is(err, errDown) {
		s, err = &state{}, nil
	}
	return errors.Join(err, halt(h, s), os.RemoveAll(h.run()))
}

// halt ends all that runs, the last first, and removes what the kernel holds of it.
func halt(h home, s *state) error {
	for _, p := range slices.Backward(s.Processes) {
		grace := 3 * time.Second
		if strings.HasPrefix(p.Name, "n") {
			grace = 0 // a node's first process: with it ends all of its pid namespace
		}
		p.stop(grace)
	}
	s.Processes = nil
	names, _ := filepath.Glob("/run/netns/picket-*")
	for _, name := range names {
		if name = filepath.Base(name); owned(name) {
			_ = netns.DeleteNamed(name)
		}
	}
	return errors.Join(removeCgroups(), os.RemoveAll(h.run("state.json")))
}

// owned reports whether a network namespace is one of a cluster's.
func owned(name string) bool {
	hosts := append([]host{lan, control}, variant{Nodes: 9}.nodes()...)
	return slices.ContainsFunc(hosts, func(h host) bool { return h.netns() == name })
}

// removeCgroups removes the groups of the nodes in every hierarchy, the innermost first.
func removeCgroups() error {
	var dirs []string
	for _, root := range cgroupRoots() {
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
	}
	for _, dir := range slices.Backward(dirs) {
		_ = poll(context.Background(), 2*time.Second, func() error { return os.Remove(dir) }) // busy until its processes are reaped
	}
	return nil
}

// enter replaces this process by a program on a host.
func enter(h home, name string, args []string) error {
	s, err := h.state()
	if err != nil {
		return err
	}
	where, err := door(s, name)
	if err != nil {
		return err
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	err = errors.Join(os.Setenv("KUBECONFIG", h.kubeconfig("admin")), os.Setenv("PATH", h.path("bin")+":"+os.Getenv("PATH")))
	if err != nil {
		return err
	}
	return syscall.Exec(nsenter, slices.Concat([]string{"nsenter"}, where, []string{"--"}, args), os.Environ())
}

// door is how nsenter gets into a host.
func door(s *state, name string) ([]string, error) {
	if name == control.Name {
		return []string{"--net=/run/netns/" + control.netns()}, nil
	}
	i := slices.IndexFunc(s.Processes, func(p process) bool { return p.Name == name && strings.HasPrefix(name, "n") })
	if i < 0 {
		return nil, fmt.Errorf("no host %q; expected control or one of the %d nodes n1, n2, …", name, s.Variant.Nodes)
	}
	return []string{"--target", strconv.Itoa(s.Processes[i].PID), "--mount", "--uts", "--net", "--pid"}, nil
}

// load imports an image archive on every node.
func load(ctx context.Context, h home, archive string) error {
	s, err := h.state()
	if err != nil {
		return err
	}
	file, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, node := range s.Variant.nodes() {
		out, err := exec.CommandContext(ctx, self, "exec", node.Name, "ctr", "--namespace", "k8s.io", "images", "import", file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("import %s on %s: %w: %s", archive, node.Name, err, out)
		}
		fmt.Fprintf(os.Stderr, "%s: %s", node.Name, out)
	}
	return nil
}
