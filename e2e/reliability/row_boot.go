package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/e2e/apiserver"
)

// boot starts agents that deny unknown pods on nodes without any rules, as after a reboot, and no
// source says which pods there are: until one does nothing passes. Later, while traffic runs, it
// replaces the agents by such that have no source: what was denied stays so, and what was allowed,
// too.
type boot struct{}

func (boot) Name() string { return "boot" }

func (boot) Plan() plan { return plan{strict: true} }

// missingSource is a reason why an agent has no source.
type missingSource struct {
	name   string
	from   func(*testbed) ([]string, error) // flags of the agents
	before func(*testbed) error
	after  func(*testbed) error
}

func missingSources() []missingSource {
	nothing := func(*testbed) error { return nil }
	return []missingSource{
		{"the API server is away", noServer, nothing, nothing},
		{"the folder is not there",
			func(s *testbed) ([]string,
				error) {
				return []string{"--manifests", filepath.Join(s.dir, "nowhere")}, nil
			},
			nothing, nothing},
		{"the folder cannot be read", func(*testbed) ([]string, error) { return nil, nil },
			hidePods, showPods},
	}
}

// noServer writes a kubeconfig for an API server that does not run.
func noServer(s *testbed) ([]string, error) {
	path := filepath.Join(s.dir, "away.kubeconfig")
	err := apiserver.WriteKubeconfig(path, "https://127.0.0.1:1", "none")
	return []string{"--kubeconfig", path}, err
}

// hidePods puts a file that nobody can read in the place of the one that states nodes, pods and
// policies.
func hidePods(s *testbed) error {
	file := filepath.Join(s.folder.dir, "pods.yaml")
	return errors.Join(os.Rename(file, filepath.Join(s.dir, "pods.yaml")),
		os.Symlink("pods.yaml", file))
}

func showPods(s *testbed) error {
	return os.Rename(filepath.Join(s.dir, "pods.yaml"), filepath.Join(s.folder.dir, "pods.yaml"))
}

// CheckUnfiltered is the boots themselves, since they need nodes without rules.
func (boot) CheckUnfiltered(s *testbed) error {
	for i, d := range missingSources() {
		if err := s.bootWithoutSource(d, fmt.Sprintf("boot%d-", i)); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// bootWithoutSource starts agents on empty nodes and sends all flows, of which none may arrive.
func (s *testbed) bootWithoutSource(d missingSource, prefix string) error {
	if err := errors.Join(d.before(s), s.startWithoutSource(d)); err != nil {
		return err
	}
	// which would wait for an answer
	flows := slices.DeleteFunc(everyFlow(), func(f flow) bool { return f.network == "tcp-held" })
	for i := range flows {
		flows[i].allowed = false
	}
	t, err := s.startTraffic(prefix, flows)
	if err != nil {
		return err
	}
	s.sleep(time.Duration(s.times(5, 2)) * time.Second)
	if err := t.stop(); err != nil {
		return err
	}
	s.ownLoss.leak += t.tally().leak
	return errors.Join(d.after(s), s.empty())
}

// startWithoutSource starts all agents and waits until their nodes deny unknown pods.
func (s *testbed) startWithoutSource(d missingSource) error {
	from, err := d.from(s)
	if err != nil {
		return err
	}
	for _, a := range s.agents {
		a.kill()
		a.from = from
		if err := a.start(); err != nil {
			return err
		}
		took, err := s.await(patience, "the node denies unknown pods",
			func() error { return s.deniesUnknown(a.node) })
		if err != nil {
			return err
		}
		s.repairs = append(s.repairs, took)
	}
	return nil
}

func (s *testbed) deniesUnknown(node string) error {
	text, err := s.ruleset(node)
	for _, p := range nodes()[0].PodCIDRs { // a range of each family is there, and its members
		set := "cidrs4-local"
		if p.Addr().Is6() {
			set = "cidrs6-local"
		}
		if !strings.Contains(text, set) {
			err = errors.Join(err, fmt.Errorf("there is no %s", set))
		}
	}
	return err
}

// empty ends the agents and removes what they have left.
func (s *testbed) empty() error {
	var errs []error
	for _, a := range s.agents {
		a.kill()
		a.from = nil
		_, err := s.inNode(a.node, "", s.env.picket, "cleanup")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (boot) Inject(s *testbed) error {
	// who can read some is to isolate more by it
	rounds, missing := s.times(5, 1), missingSources()[:2]
	for range rounds {
		for _, d := range missing {
			if err := s.restartWithoutSource(d); err != nil {
				return err
			}
		}
	}
	s.done("%d boots, %d restarts", len(missingSources()), rounds*len(missing))
	return nil
}

// restartWithoutSource replaces the agents by such without a source, and then gives the source
// back.
func (s *testbed) restartWithoutSource(d missingSource) error {
	if err := errors.Join(d.before(s), s.startWithoutSource(d)); err != nil {
		return err
	}
	s.sleep(2 * time.Second)
	if err := d.after(s); err != nil {
		return err
	}
	for _, a := range s.agents {
		a.kill()
		a.from = nil
	}
	return s.startAgents()
}
