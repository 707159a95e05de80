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

// up starts the cluster. A start that fails or is interrupted is undone; its logs are kept.
func up(ctx context.Context, h home, v variant) (err error) {
	if s, err := h.state(); err == nil && slices.ContainsFunc(s.Processes, process.alive) {
		return fmt.Errorf("a cluster is up (%s); expected none, run: make cluster-down", s.Variant)
	}
	if err := errors.Join(down(h), os.MkdirAll(h.run("log"), 0o700)); err != nil {
		return err
	}
	begun := time.Now()
	step := func(what string) {
		fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(begun).Seconds(), what)
	}
	s := &state{Variant: v}
	defer func() {
		if err != nil {
			err = errors.Join(err, stopAll(h, s), keepLogs(h, begun))
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
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID,
		}
		if err := h.start(s, node, node.Name, cmd); err != nil {
			return err
		}
	}
	return nil
}

// down stops a cluster and removes its state. Where there is none it does nothing.
func down(h home) error {
	s, err := h.state()
	if errors.Is(err, errDown) {
		s, err = &state{}, nil
	}
	return errors.Join(err, stopAll(h, s), os.RemoveAll(h.run()))
}

// stopAll ends all that runs, the last first, and removes what the kernel holds of it.
func stopAll(h home, s *state) error {
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
	removeCgroups()
	return os.RemoveAll(h.run("state.json"))
}

// owned reports whether a network namespace is one of a cluster's.
func owned(name string) bool {
	hosts := append([]host{lan, control}, variant{Nodes: 9}.nodes()...)
	return slices.ContainsFunc(hosts, func(h host) bool { return h.netns() == name })
}

// enter replaces this process by a program on a host.
func enter(h home, name string, args []string) error {
	s, err := h.state()
	if err != nil {
		return err
	}
	namespaces, err := namespacesOf(s, name)
	if err != nil {
		return err
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	err = errors.Join(os.Setenv("KUBECONFIG", h.kubeconfig("admin")),
		os.Setenv("PATH", h.searchPath(s.Variant)), os.Setenv("AGNHOST_IMAGE", agnhostImage))
	if err != nil {
		return err
	}
	command := slices.Concat([]string{"nsenter"}, namespaces, []string{"--"}, args)
	return syscall.Exec(nsenter, command, os.Environ())
}

// namespacesOf returns the arguments by which nsenter enters a host.
func namespacesOf(s *state, name string) ([]string, error) {
	if name == control.Name {
		return []string{"--net=/run/netns/" + control.netns()}, nil
	}
	i := slices.IndexFunc(s.Processes, func(p process) bool {
		return p.Name == name && strings.HasPrefix(name, "n")
	})
	if i < 0 {
		return nil, fmt.Errorf("no host %q; expected control or one of the %d nodes n1, n2, …",
			name, s.Variant.Nodes)
	}
	pid := strconv.Itoa(s.Processes[i].PID)
	return []string{"--target", pid, "--mount", "--uts", "--net", "--pid"}, nil
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
		out, err := exec.CommandContext(ctx, self, "exec", node.Name,
			"ctr", "--namespace", "k8s.io", "images", "import", file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("import %s on %s: %w: %s", archive, node.Name, err, out)
		}
		fmt.Fprintf(os.Stderr, "%s: %s", node.Name, out)
	}
	return nil
}
