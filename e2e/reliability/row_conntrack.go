package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// conntrack fills the connection table of a node, so that the kernel drops every packet that would
// open another connection there: BREAK is the fault itself. Nothing that is forbidden may profit.
type conntrack struct{}

func (conntrack) Name() string { return "conntrack-full" }

func (conntrack) Plan() plan { return plan{} }

// mostEntries is what a row may cost: 320 bytes each, of the kernel.
const mostEntries = 300_000

func (conntrack) Inject(s *testbed) error {
	s.breakExpected = true
	node := s.agents[0].node
	limit, err := s.readNumber(node, "/proc/sys/net/netfilter/nf_conntrack_max")
	if err != nil || limit > mostEntries {
		s.skip(
			"nf_conntrack_max is %d here and is the same for all network namespaces, so it is "+
				"not changed, and more than %d are not made", limit, mostEntries)
		return err
	}
	if err := s.changeEntries(node, createEntry, limit+limit/10); err != nil {
		return err
	}
	count, err := s.readNumber(node, "/proc/sys/net/netfilter/nf_conntrack_count")
	if err != nil {
		return err
	}
	if count < limit*99/100 { // some end meanwhile
		s.fault("the table holds %d entries, of %d", count, limit)
	}
	ended := s.underPressure()
	s.done("table of %s full with %d entries, a restart meanwhile", node, count)
	return errors.Join(ended, s.changeEntries(node, deleteEntry, limit+limit/10), s.flowsAgain())
}

// underPressure changes policies and restarts the agents while the table is full.
func (s *testbed) underPressure() error {
	stop := s.churn.keepChanging(50 * time.Millisecond)
	pause := time.Duration(s.times(3000, 1000)) * time.Millisecond
	s.sleep(pause)
	err := s.killAll()
	s.sleep(pause)
	return errors.Join(err, stop())
}

// readNumber reads a file of one number in a node.
func (s *testbed) readNumber(node, path string) (n int, err error) {
	err = s.InNode(node, func() error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
	return n, err
}

// flowsAgain waits until every permitted flow but the held ones, which may have given up, arrives
// as before.
func (s *testbed) flowsAgain() error {
	before, err := s.allArrivals()
	if err != nil {
		return err
	}
	_, err = s.await(patience, "permitted traffic flows again", func() error {
		now, err := s.allArrivals()
		for i, f := range everyFlow() {
			if name := fmt.Sprint(i); f.allowed && f.network != "tcp-held" &&
				now.Flows[name].Received < before.Flows[name].Received+20 {
				err = errors.Join(err, fmt.Errorf("%s does not", f))
			}
		}
		return err
	})
	return err
}
