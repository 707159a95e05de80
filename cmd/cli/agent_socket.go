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
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// stateServer answers verbs on the node. It reads the kernel over a socket of its own, so that the
// loop of the controller does not wait for it.
type stateServer struct {
	node       string
	controller *controller.Controller
	backend    choice
	started    time.Time
	drops      *dropTeller
	silence    func() map[string]time.Duration // of the API server; nil: files are read
	netns      int                             // descriptor of the node's network namespace; 0: ours
	mu         sync.Mutex                      // guards the field below: one answer at a time
	kernel     looker
}

// serve answers until the listener is closed.
func (s *stateServer) serve(listener net.Listener, log *slog.Logger) {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	_ = server.Serve(rootOnly{listener})
}

// handler only answers: each path is for GET alone. Every answer, an error as well, says which
// version gives it.
func (s *stateServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+agent.StatePath, s.answer)
	mux.HandleFunc("GET "+agent.StatusPath, s.answerStatus)
	mux.HandleFunc("GET "+agent.MetricsPath, s.answerMetrics)
	mux.HandleFunc("GET "+agent.ConnectionsPath, s.answerConnections)
	mux.HandleFunc("GET "+agent.DropsPath, s.drops.answer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longestAnswer))
		w.Header().Set(agent.APIHeader, strconv.Itoa(agent.API))
		w.Header().Set(agent.VersionHeader, versionText())
		mux.ServeHTTP(w, r)
	})
}

// longestAnswer is how long one answer, or a part of one that goes on, may take to be made and read:
// what nobody reads any more must not stay in memory.
const longestAnswer = time.Minute

// answer writes the state, or why there is none.
func (s *stateServer) answer(w http.ResponseWriter, r *http.Request) {
	state, err := s.state(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	// Who left meanwhile gets nothing, which is no error of this node.
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state)
}

// A change can come between the two halves of a state. What differs for so many looks is no change
// that is on its way.
const (
	looks     = 3
	lookAgain = 200 * time.Millisecond
)

// looker reads what a kernel holds beside the loop, and how much the pods' chains have denied. The
// program is what it should hold.
type looker interface {
	controller.FeatureLister
	Look(context.Context, *ruleset.Program) (ruleset.Observed, []ruleset.DenialCount, error)
	Close() error
}

// nftLooker is that of nftables.
type nftLooker struct{ *nft.Backend }

// Look needs no program: each chain carries its digest.
func (l nftLooker) Look(ctx context.Context, _ *ruleset.Program) (ruleset.Observed,
	[]ruleset.DenialCount, error) {
	o, err := l.Observe(ctx)
	return o, l.Found(), err
}

// canOf names what a kernel that was looked at can do for the rules; nothing if it can't be asked.
func canOf(kernel looker) (names []string) {
	list, _ := kernel.Features()
	for _, f := range list {
		if f.Here {
			names = append(names, f.Name)
		}
	}
	return names
}

// state reads what the loop wants and what the kernel holds.
func (s *stateServer) state(ctx context.Context) (*agent.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.kernel.Close() // it costs nothing until somebody asks again
	state := &agent.State{API: agent.API, Version: versionText(), Node: s.node,
		Backend: s.backend.name}
	for look := range looks {
		if look > 0 {
			time.Sleep(lookAgain)
		}
		var err error
		if state.Program, err = s.controller.Program(ctx); err != nil {
			return nil, err
		}
		observed, counts, err := s.kernel.Look(ctx, state.Program)
		if err != nil {
			return nil, fmt.Errorf("read the kernel: %w", err)
		}
		state.Observed, state.Can = &observed, canOf(s.kernel)
		state.Denied, state.Audited = ruleset.SumDenials(counts)
		if d := state.Differences(); d.Empty() {
			break
		}
	}
	return state, nil
}

// answerVerbs answers verbs until ctx ends. The kernel is that of the calling thread's network
// namespace. While an agent before this one has the socket it tries again.
func (s *stateServer) answerVerbs(ctx context.Context, log *slog.Logger) error {
	namespace, fd, err := threadNamespace()
	if err != nil {
		return err
	}
	s.netns, s.started = fd, time.Now()
	s.kernel = s.backend.beside(s.netns)
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
		if err := agent.FromRoot(conn); err == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}
