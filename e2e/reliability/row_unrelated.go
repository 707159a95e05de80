package main

import (
	"errors"
	"time"
)

// unrelated changes pods and policies that no flow is about, 100 times a second.
type unrelated struct{}

func (unrelated) Name() string { return "unrelated" }

func (unrelated) Plan() plan { return plan{} }

func (unrelated) Inject(s *testbed) error {
	const rate = 100
	changes, began := rate*s.times(10, 3), time.Now()
	var errs []error
	for i := range changes {
		s.sleep(time.Until(began.Add(time.Duration(i) * time.Second / rate)))
		errs = append(errs, s.churn.unrelated())
	}
	s.done("%d changes in %v", changes, time.Since(began).Round(100*time.Millisecond))
	return errors.Join(errs...)
}
