package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/picket-project/picket/e2e/apiserver"
)

// moving moves the nodes from Picket to another engine and back, by the steps of
// deploy/docs/moving.md, as that engine is published and with a real API server.
type moving struct {
	engine  engine
	server  *apiserver.Server
	running []*others // by node
}

func (m *moving) Name() string { return "moving-" + m.engine.name }

func (m *moving) Plan() plan { return plan{apiServer: true, ipv4: m.engine.ipv4} }

// OnlyNftables is said of the agents: the engine may have rules of iptables beside theirs.
func (m *moving) OnlyNftables() string { return "" }

// Build compiles the engine, from the module proxy, where it is not there yet.
func (m *moving) Build(ctx context.Context, f folders) error {
	program := filepath.Join(f.scratch, m.engine.name)
	if _, err := os.Stat(program); err == nil {
		return nil
	}
	return compile(ctx, filepath.Join(f.source, "e2e", m.engine.folder), "-o", program,
		m.engine.program)
}

// Prepare starts the API server, with the objects that the agents have from manifests otherwise.
func (m *moving) Prepare(s *testbed) (err error) {
	if s.env.apiServer == "" {
		return errors.New("-apiserver is missing; expected the path of a kube-apiserver")
	}
	if m.server, err = apiserver.Start(s.Cluster, s.env.apiServer, ""); err != nil {
		return err
	}
	if err := register(s.ctx, m.server); err != nil {
		return fmt.Errorf("tell the API server of nodes, pods and policies: %w", err)
	}
	kubeconfig := filepath.Join(s.dir, "kubeconfig")
	for _, a := range s.agents {
		a.from = []string{"--kubeconfig", kubeconfig}
	}
	return apiserver.WriteKubeconfig(kubeconfig, "https://"+apiserver.Addr, m.server.Token())
}

// alone is how long each engine is alone. What is open, and what is forbidden, goes on meanwhile.
const alone = 5 * time.Second

func (m *moving) Inject(s *testbed) error {
	if lack := m.engine.lacks(s); lack != nil {
		s.skip("%s can't run under this kernel: %v", m.engine.name, lack)
		return nil
	}
	moves := s.times(5, 1)
	for range moves {
		for _, step := range []func(*testbed) error{m.installEngine, m.removePicket,
			m.installPicket, m.removeEngine} {
			if err := step(s); err != nil {
				return err
			}
			s.sleep(alone)
		}
	}
	s.done("%d times from Picket to %s and back, %d nodes", moves, m.engine.name, len(s.agents))
	return nil
}

// installEngine starts the engine on all nodes beside Picket and waits until it enforces.
func (m *moving) installEngine(s *testbed) error {
	m.running = nil
	for _, a := range s.agents {
		o, err := m.enforcing(s, a.node)
		if err != nil {
			return err
		}
		m.running = append(m.running, o)
	}
	return nil
}

// engineStarts is how often an engine is started that does not enforce: one can hang where packets
// come in while it begins, and has to be started anew then.
const engineStarts = 6

// enforcing starts the engine on a node and waits until it enforces.
func (m *moving) enforcing(s *testbed, node string) (*others, error) {
	for n := 1; ; n++ {
		o, err := m.start(s, node)
		if err != nil {
			return nil, err
		}
		_, err = s.await(patience, m.engine.name+" enforces on "+node, func() error {
			if !o.alive() {
				return errEnded
			}
			return m.engine.enforces(s, node)
		})
		if err == nil {
			return o, nil
		}
		o.end()
		if n == engineStarts {
			return nil, fmt.Errorf("%w, in %d starts; its log:\n%s", err, n, o.log)
		}
		s.note("%s had to be started anew on %s", m.engine.name, node)
	}
}

// removePicket ends the agents and removes their rules: the engine is alone.
func (m *moving) removePicket(s *testbed) error {
	for _, a := range s.agents {
		a.end(syscall.SIGTERM)
		if out, err := s.inNode(a.node, "", s.env.picket, "cleanup"); err != nil {
			return fmt.Errorf("cleanup: %w: %s", err, out)
		}
		if left, err := s.objects(a.node); err != nil || len(left) > 0 {
			return errors.Join(err, fmt.Errorf("%s: %d objects of Picket are left", a.node, len(left)))
		}
		if found, _ := s.inNode(a.node, "", s.env.picket, "check",
			"--no-packets"); !strings.Contains(found,
			m.engine.name) {
			s.fault("%s: picket check does not name %s:\n%s", a.node, m.engine.name, found)
		}
	}
	return nil
}

// installPicket starts the agents beside the engine, as a DaemonSet does, and waits until all nodes
// are ready.
func (m *moving) installPicket(s *testbed) error {
	began := time.Now()
	err := s.startAgents()
	s.repairs = append(s.repairs, time.Since(began))
	return err
}

// removeEngine ends the engine and removes its rules by the documented commands: Picket is alone.
func (m *moving) removeEngine(s *testbed) error {
	commands, err := documented(s.env.source, m.engine.name)
	if err != nil {
		return err
	}
	for _, o := range m.running {
		o.end()
	}
	for _, a := range s.agents {
		if err := s.shell(a.node, commands); err != nil {
			return fmt.Errorf("%s: remove the rules of %s: %w", a.node, m.engine.name, err)
		}
		if err := m.engine.enforces(s, a.node); err == nil {
			s.fault("%s: rules of %s are left", a.node, m.engine.name)
		}
		if left, err := m.engine.leftovers(s, a.node); err != nil || left != "" {
			s.fault("%s: %s is left, %v", a.node, left, err)
		}
	}
	return nil
}
