package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/e2e/agenthttp"
	"github.com/picket-project/picket/e2e/apiserver"
)

// agent is the shipped binary with its shipped flags, on samplecluster.LocalNode.
type agent struct {
	*agenthttp.Client
	in  *sandbox.Cluster
	cmd *exec.Cmd
	log *os.File
	dir string
}

// startAgent runs the agent against the API server, with more flags, waits until it is ready, and
// returns how long that took.
func (s *testCluster) startAgent(flags ...string) (*agent, time.Duration, error) {
	program, err := picketProgram()
	if err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp("", "picket-bench-")
	if err != nil {
		return nil, 0, err
	}
	a := &agent{
		in: s.Cluster, dir: dir,
		Client: agenthttp.New(s.Cluster, samplecluster.LocalNode, agenthttp.DefaultAddr),
	}
	began := time.Now()
	if err := a.start(program, s.server, s.token, flags); err != nil {
		return nil, 0, errors.Join(err, a.close())
	}
	if err := apiserver.Poll(2*time.Minute, a.Ready); err != nil {
		text, _ := os.ReadFile(a.log.Name())
		err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
		return nil, 0, errors.Join(err, a.close())
	}
	return a, time.Since(began), nil
}

func (a *agent) start(program, server, token string, flags []string) (err error) {
	kubeconfig := filepath.Join(a.dir, "kubeconfig")
	err = apiserver.WriteKubeconfig(kubeconfig, server, token)
	if err != nil {
		return err
	}
	if a.log, err = os.Create(filepath.Join(a.dir, "log")); err != nil {
		return err
	}
	a.cmd = exec.Command(program, append([]string{"agent", "--node-name", samplecluster.LocalNode,
		"--kubeconfig", kubeconfig}, flags...)...)
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	return a.in.StartInNode(samplecluster.LocalNode, a.cmd)
}

// cleanup ends the process and removes its rules.
func (a *agent) cleanup() error {
	err := a.close()
	program, _ := picketProgram() // it was found before
	cmd := exec.Command(program, "cleanup")
	if err := a.in.StartInNode(samplecluster.LocalNode, cmd); err != nil {
		return err
	}
	return errors.Join(err, cmd.Wait())
}

// close ends the process. Its rules stay, in a namespace that ends with the sandbox.
func (a *agent) close() error {
	if a.cmd != nil && a.cmd.Process != nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}
	if a.log != nil {
		_ = a.log.Close()
	}
	return os.RemoveAll(a.dir)
}

// memory is what /proc says of a process, in bytes.
type memory struct{ resident, private, peak int }

// memory reads /proc/PID/status (proc_pid_status(5)).
func (a *agent) memory() (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	fields := map[string]*int{"VmRSS": &m.resident, "RssAnon": &m.private, "VmHWM": &m.peak}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if field, wanted := fields[name]; wanted {
			_, _ = fmt.Sscan(value, field)
			*field <<= 10
		}
	}
	return m, err
}

// used is the CPU time of the process so far: that of its threads, none of which ends in a Go
// program.
func (a *agent) used() (sum time.Duration, err error) {
	threads, err := procfs.AllThreads(a.cmd.Process.Pid)
	for _, t := range threads {
		stat, statErr := t.Schedstat()
		sum += time.Duration(stat.RunningNanoseconds)
		err = errors.Join(err, statErr)
	}
	return sum, err
}

// pause waits until ctx ends or the time is up.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
