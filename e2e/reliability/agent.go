package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/picket-project/picket/e2e/agenthttp"
)

const (
	secondHealth = "127.0.0.1:9471"
	firstFile    = 3 // the descriptor of a program's first extra file
)

// agent is Picket on one node, a process or the next one.
type agent struct {
	testbed         *testbed
	node            string
	program, health string
	backend         string // nftables or iptables
	// flags that say where the state of the cluster comes from; none: the folder
	from  []string
	dir   string // that it works in, and for temporary files; empty: this program's
	log   *os.File
	cmd   *exec.Cmd
	ended chan struct{} // closed after the end of the process; nil: there was none
}

// newAgent prepares the agent of a node; it does not run.
func (s *testbed) newAgent(node string) (*agent, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "agent-"+node+".log"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &agent{testbed: s, node: node, program: s.env.picket, health: agenthttp.DefaultAddr,
		backend: s.env.backend, log: log}, nil
}

// startAgents starts the agents of all nodes and waits until they are ready.
func (s *testbed) startAgents() error {
	var errs []error
	for _, a := range s.agents {
		errs = append(errs, a.start(), a.awaitReady(patience))
	}
	return errors.Join(errs...)
}

// start starts the process, as an argument of another program if there is one.
func (a *agent) start(wrapper ...string) error { return a.startWith(nil, wrapper...) }

// startWith gives it files, as descriptors from firstFile on.
func (a *agent) startWith(files []*os.File, wrapper ...string) error {
	argv := append(wrapper, a.program, "agent", "--node-name", a.node, "--health-addr", a.health,
		"--backend", a.backend, fmt.Sprintf("--own-table=%t", !a.testbed.plan.free))
	if a.testbed.plan.strict {
		argv = append(argv, "--unknown-pods=deny")
	} else {
		argv = append(argv, "--unknown-pods=allow")
	}
	if argv = append(argv, a.from...); len(a.from) == 0 {
		argv = append(argv, "--manifests", a.testbed.folder.dir)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr, cmd.ExtraFiles, cmd.Dir = a.log, files, a.dir
	if a.dir != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+a.dir)
	}
	if err := a.testbed.StartInNode(a.node, cmd); err != nil {
		return fmt.Errorf("start the agent of %s: %w", a.node, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	a.cmd, a.ended = cmd, ended
	return nil
}

// alive reports whether the process runs.
func (a *agent) alive() bool {
	if a.ended == nil {
		return false
	}
	select {
	case <-a.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as kill -9 does, and returns when it is gone.
func (a *agent) kill() { a.end(syscall.SIGKILL) }

func (a *agent) end(signal syscall.Signal) {
	if a.alive() {
		_ = a.cmd.Process.Signal(signal)
		<-a.ended
	}
}

func (a *agent) close() {
	a.kill()
	_ = a.log.Close()
}

// client asks the agent over its health address.
func (a *agent) client() *agenthttp.Client {
	return agenthttp.New(a.testbed.Cluster, a.node, a.health)
}

// awaitReady waits until the kernel holds what the manifests say.
func (a *agent) awaitReady(within time.Duration) error {
	_, err := a.testbed.await(within, "the agent of "+a.node+" is ready", func() error {
		if !a.alive() {
			return errEnded
		}
		return a.client().Ready()
	})
	return err
}

// startAfresh ends the process, removes what it left in the kernel and starts it again.
func (a *agent) startAfresh() error {
	a.kill()
	if out, err := a.testbed.inNode(a.node, "", a.testbed.env.picket, "cleanup"); err != nil {
		return fmt.Errorf("cleanup: %w: %s", err, out)
	}
	return errors.Join(a.start(), a.awaitReady(patience))
}
