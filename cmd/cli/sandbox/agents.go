package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/ruleset/policy"
)

const (
	healthAddr   = "127.0.0.1:9470" // in each node's own namespace
	readyTimeout = 10 * time.Second
	firstFile    = 3 // the descriptor of a command's first extra file
)

// orders is how the agents of a sandbox are started.
type orders struct {
	manifests []string   // paths for the agents
	files     []*os.File // what they get from descriptor 3 on
	deny      string
	log       func(node string) (*os.File, error)
}

// agentProcess is the agent of one node, the real one: this program again.
type agentProcess struct {
	node  string
	log   *os.File
	ended chan error // closed after the end
}

// startAgents starts an agent in every node and waits until all are ready. It returns what they warn
// of, one a line, without what they say of policies: the loader of the manifests has told that.
func startAgents(ctx context.Context, c *sandbox.Cluster, nodes []sandbox.Node, o orders) ([]string, error) {
	var agents []*agentProcess
	for _, n := range nodes {
		a, err := startAgent(c, n.Name, o)
		if err != nil {
			return nil, fmt.Errorf("start the agent of %s: %w", n.Name, err)
		}
		agents = append(agents, a)
	}
	return awaitAll(ctx, c, agents)
}

func awaitAll(ctx context.Context, c *sandbox.Cluster, agents []*agentProcess) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	warnings := map[string]bool{}
	for _, a := range agents {
		state, err := a.await(ctx, c)
		if err != nil {
			return nil, err
		}
		for about, text := range state.Warnings {
			if !strings.HasPrefix(about, "polic") {
				warnings[about+": "+strings.Join(strings.Fields(text), " ")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(warnings)), nil
}

// startAgent starts one agent, away from the signals of the keyboard: it ends with the sandbox.
func startAgent(c *sandbox.Cluster, node string, o orders) (*agentProcess, error) {
	log, err := o.log(node)
	if err != nil {
		return nil, err
	}
	args := []string{"agent", "--node-name", node, "--health-addr", healthAddr, "--deny", o.deny, "--pod-addresses", "any"}
	for _, path := range o.manifests {
		args = append(args, "--manifests", path)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr, cmd.ExtraFiles = log, o.files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.StartInNode(node, cmd); err != nil {
		return nil, err
	}
	a := &agentProcess{node: node, log: log, ended: make(chan error, 1)}
	go func() { a.ended <- cmd.Wait(); close(a.ended) }()
	return a, nil
}

// await waits until the agent says that the kernel holds the policies.
func (a *agentProcess) await(ctx context.Context, c *sandbox.Cluster) (controller.Readiness, error) {
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: dialIn(c, a.node),
	}}
	state := controller.Readiness{Reasons: map[string]string{"agent": "it does not answer"}}
	for {
		err := readyz(ctx, client, &state)
		if err == nil && state.Ready {
			return state, nil
		}
		select {
		case err := <-a.ended:
			return state, fmt.Errorf("the agent of %s has ended: %v; its log:\n%s", a.node, err, a.readLog())
		case <-ctx.Done():
			return state, a.late(state.Reasons)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// late says why an agent is not ready.
func (a *agentProcess) late(reasons map[string]string) error {
	var text strings.Builder
	for _, part := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(&text, "\n  %s: %s", part, strings.TrimSpace(reasons[part]))
	}
	return fmt.Errorf("the agent of %s is not ready after %v:%s\nits log:\n%s", a.node, readyTimeout, &text, a.readLog())
}

func (a *agentProcess) readLog() string {
	text, err := io.ReadAll(io.NewSectionReader(a.log, 0, 1<<20))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// dialIn dials from inside a node. An address needs no resolver, so that the socket is made on the thread that
// is there.
func dialIn(c *sandbox.Cluster, node string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		entered := c.InNode(node, func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, entered
	}
}

func readyz(ctx context.Context, client *http.Client, state *controller.Readiness) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+healthAddr+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	*state = controller.Readiness{}
	return json.NewDecoder(response.Body).Decode(state)
}

// memory makes a file that has no name and goes with the last process that has it open.
func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// inMemory is orders for agents that leave nothing in any folder.
func inMemory(o policy.Objects, deny string) (orders, error) {
	file, err := memory("manifests")
	if err != nil {
		return orders{}, err
	}
	_, err = file.Write(slices.Concat(encoded(o.Nodes), encoded(o.Namespaces), encoded(o.Policies), encoded(o.Pods)))
	return orders{
		manifests: []string{fmt.Sprintf("/proc/self/fd/%d", firstFile)}, files: []*os.File{file}, deny: deny, log: memory,
	}, err
}

// encoded is objects as a manifest of JSON documents.
func encoded[T any](objects []T) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	for _, o := range objects {
		if err := encoder.Encode(o); err != nil {
			panic(errors.Join(errors.New("an API object that was read cannot be written"), err))
		}
	}
	return text.Bytes()
}
