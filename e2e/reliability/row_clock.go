package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// clock runs agents whose clock jumps a day forward, and later two days back. The clock of the
// machine stays as it is: the program is built with a package time of which Now adds the jumps. The
// monotonic clock has none.
type clock struct {
	program string        // empty: it is built
	phase   time.Duration // between the jumps
}

func (*clock) Name() string { return "clock" }

func (*clock) Plan() plan { return plan{} }

// CheckUnfiltered builds that program, before there is traffic that this would disturb.
func (c *clock) CheckUnfiltered(s *testbed) (err error) {
	c.phase = time.Duration(s.times(40, 4)) * time.Second // more than an agent's rechecks are apart
	if c.program != "" {
		return nil
	}
	c.program, err = folders{s.env.source, s.env.dir}.buildJumping(s.ctx, c.phase)
	return err
}

func (c *clock) Inject(s *testbed) error {
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	for _, a := range s.agents {
		a.kill()
		a.program = c.program
		if err := errors.Join(a.start(), a.awaitReady(patience)); err != nil {
			return err
		}
	}
	began := time.Now()
	stop := s.churn.keepChanging(50 * time.Millisecond)
	took, err := g.measureUntil(began.Add(3 * c.phase))
	if err := errors.Join(err, stop(), g.close()); err != nil {
		return err
	}
	s.done("a day forward, two days back, %v apart", c.phase)
	s.checkLatencies(took)
	for _, a := range s.agents {
		a.program = s.env.picket
	}
	return s.agents[0].jumped(began) // the one that has something to say all the time
}

// jumped looks into an agent's log, which has the time of every line, whether its clock has jumped
// at all.
func (a *agent) jumped(began time.Time) error {
	text, err := os.ReadFile(a.log.Name())
	for _, days := range []int{1, -1} {
		day := began.UTC().AddDate(0, 0, days).Format(time.DateOnly)
		if !strings.Contains(string(text), "time="+day) {
			err = errors.Join(err, fmt.Errorf("the log of %s has no line of %s: its clock has not "+
				"jumped, or it has nothing to say", a.node, day))
		}
	}
	return err
}
