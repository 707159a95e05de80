//go:build linux

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// stateServer answers verbs on the node. It reads the kernel over a socket of its own, so that the
// loop of the controller does not wait for it.
type stateServer struct {
	node     string
	backend  string                                          // only nftables can be read beside the loop
	features *nft.Features                                   // of the kernel; nil: its version says it
	program  func(context.Context) (*ruleset.Program, error) // what the kernel should hold
	mu       sync.Mutex                                      // guards the field below: one answer at a time
	kernel   *nft.Backend                                    // only looks
}

// serve answers until the listener is closed.
func (s *stateServer) serve(listener net.Listener, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+agent.StatePath, s.answer)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	_ = server.Serve(rootOnly{listener})
}

// answer writes the state, or why there is none.
func (s *stateServer) answer(w http.ResponseWriter, r *http.Request) {
	state, err := s.state(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state)
}

// A change can come between the two halves of a state. What differs for so many looks is no change
// that is on its way.
const (
	looks     = 3
	lookAgain = 200 * time.Millisecond
)

// state reads what the loop wants and what the kernel holds.
func (s *stateServer) state(ctx context.Context) (*agent.State, error) {
	if s.backend != nftablesBackend {
		return nil, fmt.Errorf("this node's rules are held by %s, which only its own programs show: "+
			"iptables-legacy -t mangle -S, ipset list", s.backend)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.kernel.Close() // it costs nothing until somebody asks again
	state := &agent.State{API: agent.API, Version: versionText(), Node: s.node}
	for look := range looks {
		if look > 0 {
			time.Sleep(lookAgain)
		}
		var err error
		if state.Program, err = s.program(ctx); err != nil {
			return nil, err
		}
		observed, err := s.kernel.Observe(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the kernel: %w", err)
		}
		state.Observed, state.Denied = &observed, s.kernel.Denied()
		if d := state.Differences(); d.Empty() {
			break
		}
	}
	return state, nil
}

// answerVerbs answers verbs until ctx ends. The kernel is that of the calling thread's network
// namespace. While an agent before this one has the socket it tries again.
func (s *stateServer) answerVerbs(ctx context.Context, log *slog.Logger) error {
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	s.kernel = nft.Open(nft.Options{Look: true, NetNS: int(namespace.Fd()), Features: s.features})
	listener, err := net.Listen("unix", agent.Socket)
	go func() {
		defer namespace.Close()
		for errors.Is(err, unix.EADDRINUSE) && ctx.Err() == nil {
			time.Sleep(listenAgain)
			listener, err = net.Listen("unix", agent.Socket)
		}
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
		defer stop()
		s.serve(listener, log)
	}()
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("%w; another agent answers so far", err)
	}
	return err
}

// listenAgain is the pause before another try.
const listenAgain = 5 * time.Second

// rootOnly is a listener that takes connections of root's processes only.
type rootOnly struct{ net.Listener }

// Accept waits for a process of root.
func (l rootOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err := fromRoot(conn); err == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// errNotRoot says that the other end of the socket is not root's.
var errNotRoot = errors.New("the process at the other end is not root's")

// fromRoot asks the kernel whose process is at the other end (SO_PEERCRED).
func fromRoot(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var refused error
	err = raw.Control(func(fd uintptr) {
		peer, refused = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, refused); err != nil {
		return err
	}
	if peer.Uid != 0 {
		return errNotRoot
	}
	return nil
}

// askAgent asks the agent of this node, as a process of root in the node's network namespace.
func askAgent(ctx context.Context) (*agent.State, error) {
	conn, err := dialAgent(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the agent of this node: %w; expected to run as root on a node, or in "+
			"the agent's pod: kubectl exec -n kube-system PICKET-POD -- picket kernel", err)
	}
	// The socket is opened here and not by the client, whose threads can be in another namespace.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+agent.StatePath, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask the agent of this node: %w", err), conn.Close())
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var text [512]byte
		n, _ := response.Body.Read(text[:])
		return nil, fmt.Errorf("the agent answers %s: %s", response.Status, text[:n])
	}
	state := &agent.State{}
	if err := json.NewDecoder(response.Body).Decode(state); err != nil {
		return nil, fmt.Errorf("the agent's answer: %w", err)
	}
	return state, state.Check()
}

// dialAgent connects to the agent's socket, and trusts only a process of root there.
func dialAgent(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", agent.Socket)
	if err != nil {
		return nil, err
	}
	if err := fromRoot(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
