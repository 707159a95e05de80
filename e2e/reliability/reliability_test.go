package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// fast are the rows that take some seconds each when they are short.
const fast = "upgrade,backend,two-agents,tamper-owned,unrelated,restart,output,tunnels," +
	"foreign-commits,foreign-commits-free"

// The program that is tested is that of the variable PICKET; without it, one is built.
func TestFastRows(t *testing.T) {
	needKernel(t)
	scratch := t.TempDir()
	if err := build(t.Context(), "../..", scratch); err != nil {
		t.Fatal(err)
	}
	l, err := newEnvironment(picket(t, scratch), scratch, nftables)
	if err != nil {
		t.Fatal(err)
	}
	l.short = true
	chosen, err := choose(rows(), fast)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range chosen {
		t.Run(r.Name(), func(t *testing.T) {
			res := l.runRow(t.Context(), r)
			t.Log("\n" + tabulate([]*result{res}))
			if !res.good() {
				t.Fail()
			}
		})
	}
}

func picket(t *testing.T, scratch string) string {
	t.Helper()
	if path := os.Getenv("PICKET"); path != "" {
		return path
	}
	path := filepath.Join(scratch, "picket")
	if err := compile(t.Context(), "../..", "-o", path, "./cmd/picket"); err != nil {
		t.Fatal(err)
	}
	return path
}

// needKernel skips a test where the machine cannot run it. With REQUIRE_KERNEL=1 that is a failure.
func needKernel(t *testing.T) {
	t.Helper()
	ns, err := sandbox.NewNetns()
	if err == nil {
		_ = ns.Close()
		_, err = os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables")
	}
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_KERNEL") == "1", !errors.Is(err, unix.EPERM) &&
		!errors.Is(err, os.ErrNotExist):
		t.Fatal(err)
	default:
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
}

// quiet is a row without a fault.
type quiet struct{}

func (quiet) Name() string { return "quiet" }

func (quiet) Plan() plan { return plan{} }

func (quiet) Inject(*testbed) error { return nil }

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name string
		result
		leak, broken int
		good         bool
	}{
		{name: "nothing happened", good: true},
		{name: "a leak", result: result{tally: tally{leak: 1}}, leak: 1},
		{name: "a leak in a window",
			result: result{tally: tally{leak: 3}, report: report{excused: loss{leak: 3}}},
			good:   true},
		{name: "a leak after a window",
			result: result{tally: tally{leak: 3}, report: report{excused: loss{leak: 2}}}, leak: 1},
		{name: "a break", result: result{tally: tally{broken: 2}}, broken: 2},
		{name: "lost by the machine", result: result{tally: tally{broken: 2, lost: 2}}, good: true},
		{name: "more than the machine lost", result: result{tally: tally{broken: 3, lost: 2}},
			broken: 1},
		{name: "the break is the fault",
			result: result{tally: tally{broken: 9}, report: report{breakExpected: true}},
			good:   true},
		{name: "a leak of the row's own", result: result{report: report{ownLoss: loss{leak: 1}}},
			leak: 1},
		{name: "a break of the row's own", result: result{report: report{ownLoss: loss{broken: 1}}},
			broken: 1},
		{name: "a reset", result: result{tally: tally{resets: 1}}},
		{name: "another demand", result: result{report: report{faults: []string{"x"}}}},
		{name: "skipped", result: result{report: report{skipped: "no strace"}}, good: true},
	} {
		if test.leaked() != test.leak || test.result.broken() != test.broken ||
			test.result.good() != test.good {
			t.Errorf("%s: LEAK %d, BREAK %d, good %t", test.name, test.leaked(),
				test.result.broken(), test.result.good())
		}
	}
}

func TestTally(t *testing.T) {
	var sum tally
	sum.add(flow{network: "udp", allowed: true}, sent{Sent: 10, Late: time.Millisecond},
		arrived{Received: 8, Hole: time.Second})
	sum.add(flow{network: "tcp", allowed: true}, sent{Sent: 5, Refused: 2, Late: time.Minute},
		arrived{Received: 5, Hole: time.Hour})
	sum.add(flow{network: "udp"}, sent{Sent: 10, Refused: 1}, arrived{Received: 3, Hole: time.Hour})
	want := tally{leak: 3, broken: 2, resets: 2, hole: time.Second, floor: time.Minute}
	if sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}

func TestRowsAreChosenByName(t *testing.T) {
	all := []row{quiet{}, restart{}}
	if chosen, err := choose(all, "restart"); err != nil ||
		fmt.Sprint(chosen) != fmt.Sprint([]row{restart{}}) {
		t.Error(chosen, err)
	}
	if _, err := choose(all, "quiet,none"); err == nil {
		t.Error("a row that is not there")
	}
	if chosen, err := choose(all, ""); err != nil || len(chosen) != 2 {
		t.Error(chosen, err)
	}
}

func TestInterruptedRunFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := testbed{ctx: ctx, env: &environment{slower: 1, fewer: 1}}
	if _, err := s.await(time.Minute, "never",
		func() error { return errors.New("no") }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
