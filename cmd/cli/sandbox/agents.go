package sandbox

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
	readyTimeout = time.Minute
	firstFile    = 3 // the descriptor of a command's first extra file
)

// agentConfig is how the agents of a sandbox are started. openLog makes the file that an agent's
// log goes to; it can be read, too, so that an error can show the log.
type agentConfig struct {
	manifests []string   // paths for the agents
	files     []*os.File // files that the agents inherit, from descriptor 3 on
	deny      string
	openLog   func(node string) (*os.File, error)
}

// agentProcess is the agent of one node, the real one: this program again.
type agentProcess struct {
	node  string
	log   *os.File
	ended chan error // closed after the end
}

// startAgents starts an agent in every node and waits until all are ready. It returns what they
// warn of, one a line, but not what they say of policies: reading the manifests has told that.
func startAgents(
	ctx context.Context, c *sandbox.Cluster, nodes []sandbox.Node, config agentConfig,
) ([]string, error) {
	// All agents start before the first one is waited for.
	var agents []*agentProcess
	for _, n := range nodes {
		a, err := startAgent(c, n.Name, config)
		if err != nil {
			return nil, fmt.Errorf("start the agent of %s: %w", n.Name, err)
		}
		agents = append(agents, a)
	}
	return awaitReady(ctx, c, agents)
}

// awaitReady waits until all agents are ready and returns their warnings.
func awaitReady(
	ctx context.Context, c *sandbox.Cluster, agents []*agentProcess,
) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	warnings := map[string]bool{}
	for _, a := range agents {
		state, err := a.awaitReady(ctx, c)
		if err != nil {
			return nil, err
		}
		for about, text := range state.Warnings {
			// The names of warnings about policies are "policy NAME" and "policies".
			if !strings.HasPrefix(about, "polic") {
				// What several agents warn of is told once.
				warnings[about+": "+strings.Join(strings.Fields(text), " ")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(warnings)), nil
}

// startAgent starts one agent in a process group of its own, so that the keyboard's signals do not
// reach it: it ends with the sandbox.
func startAgent(c *sandbox.Cluster, node string, config agentConfig) (*agentProcess, error) {
	log, err := config.openLog(node)
	if err != nil {
		return nil, err
	}
	// Manifests that people write may give a pod any address, also one in no node's range.
	args := []string{
		"agent", "--node-name", node, "--health-addr", healthAddr,
		"--deny", config.deny, "--pod-addresses", "any",
	}
	for _, path := range config.manifests {
		args = append(args, "--manifests", path)
	}
	// This path leads to the running program, even if its file was replaced meanwhile (proc(5)).
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr, cmd.ExtraFiles = log, config.files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.StartInNode(node, cmd); err != nil {
		return nil, err
	}
	a := &agentProcess{node: node, log: log, ended: make(chan error, 1)}
	// The channel has room for the result, so that nobody has to wait for it.
	go func() { a.ended <- cmd.Wait(); close(a.ended) }()
	return a, nil
}

// awaitReady waits until the agent says that the kernel holds the policies.
func (a *agentProcess) awaitReady(
	ctx context.Context, c *sandbox.Cluster,
) (controller.Readiness, error) {
	// Each question has a connection of its own, which is made in the namespace of the node.
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: dialIn(c, a.node),
	}}
	// This is what the error says if the agent never answers.
	state := controller.Readiness{Reasons: map[string]string{"agent": "it does not answer"}}
	for {
		err := askReady(ctx, client, &state)
		if err == nil && state.Ready {
			return state, nil
		}
		select {
		case err := <-a.ended:
			return state, fmt.Errorf(
				"the agent of %s has ended: %v; its log:\n%s", a.node, err, a.readLog())
		case <-ctx.Done():
			return state, a.notReady(state.Reasons)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// notReady is the error that says why an agent is not ready.
func (a *agentProcess) notReady(reasons map[string]string) error {
	var text strings.Builder
	for _, part := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(&text, "\n  %s: %s", part, strings.TrimSpace(reasons[part]))
	}
	return fmt.Errorf("the agent of %s is not ready after %v:%s\nits log:\n%s",
		a.node, readyTimeout, &text, a.readLog())
}

// readLog returns the first MiB of the agent's log, or the reason why it cannot be read.
func (a *agentProcess) readLog() string {
	text, err := io.ReadAll(io.NewSectionReader(a.log, 0, 1<<20))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// dialContext is the type of http.Transport.DialContext.
type dialContext func(ctx context.Context, network, addr string) (net.Conn, error)

// dialIn dials from inside a node. What is dialled is an address, not a name, so that the socket is
// made on the thread that is in the node's namespace, without a resolver's goroutines.
func dialIn(c *sandbox.Cluster, node string) dialContext {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		// The socket stays in the namespace that it was made in.
		entered := c.InNode(node, func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, entered
	}
}

// askReady asks an agent whether it is ready. One that is not ready answers with status 503, and
// with its reasons in the same form.
func askReady(ctx context.Context, client *http.Client, state *controller.Readiness) error {
	url := "http://" + healthAddr + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// Decode would keep reasons of an earlier answer that are gone in this one.
	*state = controller.Readiness{}
	return json.NewDecoder(response.Body).Decode(state)
}

// memoryFile makes a file that has no path and goes with the last process that has it open.
func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// configInMemory is for agents that leave nothing in any folder.
func configInMemory(o policy.Objects, deny string) (agentConfig, error) {
	file, err := memoryFile("manifests")
	if err != nil {
		return agentConfig{}, err
	}
	// The agents open the file by its path in /proc, so each reads it from its beginning.
	_, err = file.Write(slices.Concat(
		encode(o.Nodes), encode(o.Namespaces), encode(o.Policies), encode(o.Pods)))
	return agentConfig{
		manifests: []string{fmt.Sprintf("/proc/self/fd/%d", firstFile)},
		files:     []*os.File{file},
		deny:      deny,
		openLog:   memoryFile,
	}, err
}

// encode writes objects as a manifest of JSON documents.
func encode[T any](objects []T) []byte {
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
