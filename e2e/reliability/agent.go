package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	firstHealth  = "127.0.0.1:9470" // in each node's own namespace
	secondHealth = "127.0.0.1:9471"
	firstFile    = 3 // the descriptor of a program's first extra file
)

// agent is Picket on one node, a process or the next one.
type agent struct {
	testbed         *testbed
	node            string
	program, health string
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
	return &agent{testbed: s, node: node, program: s.env.picket, health: firstHealth, log: log}, nil
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
		fmt.Sprintf("--own-table=%t", !a.testbed.plan.free))
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

// readiness is what /readyz answers.
type readiness struct {
	Ready             bool
	Reasons, Warnings map[string]string
}

// ask asks for the readiness.
func (a *agent) ask() (r readiness, err error) {
	response, err := a.get("/readyz")
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	return r, json.NewDecoder(response.Body).Decode(&r)
}

// get asks it for a page of its health address.
func (a *agent) get(path string) (*http.Response, error) {
	client := &http.Client{Timeout: 2 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: a.dial}}
	return client.Get("http://" + a.health + path)
}

// dial dials from inside the node.
func (a *agent) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	entered := a.testbed.InNode(a.node, func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, entered
}

// awaitReady waits until the kernel holds what the manifests say.
func (a *agent) awaitReady(within time.Duration) error {
	_, err := a.testbed.await(within, "the agent of "+a.node+" is ready", func() error {
		if !a.alive() {
			return errEnded
		}
		r, err := a.ask()
		if err == nil && !r.Ready {
			err = fmt.Errorf("%v", r.Reasons)
		}
		return err
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
