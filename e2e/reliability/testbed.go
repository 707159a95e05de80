package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/apiserver"
	"github.com/picket-project/picket/e2e/listing"
)

// testbed is a sandbox with the product on its nodes and traffic between its pods.
type testbed struct {
	*sandbox.Cluster
	*report
	env    *environment
	ctx    context.Context
	plan   plan
	dir    string
	folder folder
	churn  churn
	random *rand.Rand
	agents []*agent // by node
	tally  tally
	stalls *stallMeter
}

// create makes the sandbox and the manifests; no agent runs yet.
func (s *testbed) create(r row) (err error) {
	s.plan = r.Plan()
	s.random = rand.New(rand.NewPCG(s.env.seed, 0))
	if s.dir, err = os.MkdirTemp(s.env.dir, r.Name()+"-"); err != nil {
		return err
	}
	s.folder = folder{filepath.Join(s.dir, "manifests")}
	s.churn = churn{s.folder, rand.New(rand.NewPCG(s.env.seed, 1))}
	if err := os.Mkdir(s.folder.dir, 0o755); err != nil {
		return err
	}
	if err := errors.Join(s.folder.populate(), s.churn.setState(0)); err != nil {
		return err
	}
	machines := nodes()
	if s.plan.apiServer {
		machines = append(machines, apiserver.Node())
	}
	if s.Cluster, err = sandbox.New(machines); err != nil {
		return err
	}
	return s.addTestPods()
}

// addTestPods adds the pods, with what serves in them, and prepares the agents.
func (s *testbed) addTestPods() error {
	for _, a := range testPods() {
		if err := s.AddPod(a.pod()); err != nil {
			return err
		}
	}
	for _, server := range servers() {
		if err := s.serve(server); err != nil {
			return err
		}
	}
	for _, n := range nodes() {
		a, err := s.newAgent(n.Name)
		if err != nil {
			return err
		}
		s.agents = append(s.agents, a)
	}
	return nil
}

// close ends everything that runs.
func (s *testbed) close() {
	for _, a := range s.agents {
		a.close()
	}
	if s.Cluster == nil {
		return
	}
	if err := s.Close(); err != nil {
		s.fault("end of the sandbox: %v", err)
	}
}

// times is how often something is done.
func (s *testbed) times(long, short int) int {
	if s.env.short {
		return short
	}
	return long
}

// sleep waits, unless the run is interrupted.
func (s *testbed) sleep(d time.Duration) {
	select {
	case <-s.ctx.Done():
	case <-time.After(d):
	}
}

// errEnded is of a process that is waited for and will never do anything.
var errEnded = errors.New("the process has ended")

// await polls until something holds, and returns how long that took.
func (s *testbed) await(within time.Duration, what string, holds func() error) (time.Duration,
	error) {
	within *= time.Duration(s.env.slower)
	began := time.Now()
	for {
		err := holds()
		switch took := time.Since(began); {
		case err == nil:
			return took, nil
		case took > within, errors.Is(err, errEnded):
			return took, fmt.Errorf("%s: not within %v: %w", what, within, err)
		case s.ctx.Err() != nil:
			return took, s.ctx.Err()
		}
		s.sleep(5 * time.Millisecond)
	}
}

// patience is for what takes well under a second on a machine that has nothing else to do.
const patience = 30 * time.Second

// idleRuleset returns what the kernel holds once the agent has nothing left to find out.
func (s *testbed) idleRuleset(a *agent) (string, error) {
	if _, err := s.await(patience, "nothing to do", a.client().Idle); err != nil {
		return "", err
	}
	return s.ruleset(a.node)
}

// freshWithin is how long a fresh agent may take after it is ready: what keeps pods of a bridge
// apart comes after that.
const freshWithin = 10 * time.Second

// compareWithFresh checks that the kernel holds what an agent makes that finds an empty one.
func (s *testbed) compareWithFresh() error {
	for _, a := range s.agents {
		left, err := s.idleRuleset(a)
		if err != nil {
			return err
		}
		if err := a.startAfresh(); err != nil {
			return err
		}
		diff := ""
		_, err = s.await(freshWithin, "what a fresh agent makes", func() error {
			fresh, err := s.idleRuleset(a)
			if diff = listing.Difference(left, fresh); err == nil && diff != "" {
				err = errors.New(diff)
			}
			return err
		})
		if diff != "" {
			s.fault("%s: what is left (-) is not what a fresh agent makes (+):\n%s", a.node, diff)
		} else if err != nil {
			return err
		}
	}
	return nil
}
