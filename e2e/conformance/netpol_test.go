package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The specs of the recorded report.
const (
	specs    = "[sig-network] Netpol NetworkPolicy between server and client should support "
	denyAll  = specs + "a 'default-deny-all' policy [Feature:NetworkPolicy]"
	allowAll = specs + "allow-all policy [Feature:NetworkPolicy]"
	ingress  = specs + "a 'default-deny-ingress' policy [Feature:NetworkPolicy]"
	sctp     = "[sig-network] Netpol [Feature:SCTPConnectivity] [LinuxOnly] NetworkPolicy " +
		"between server and client using SCTP should support a 'default-deny-ingress' policy " +
		"[Feature:NetworkPolicy]"
	endPort = "[sig-network] Netpol API should support creating NetworkPolicy API with endport field"
)

// script writes a program that stands for a suite's.
func script(t *testing.T, name, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// recorded is a suite that answers every call with the recorded report, and ends with a status.
func recorded(t *testing.T, status string) netpol {
	sample, err := filepath.Abs("testdata/netpol.xml")
	if err != nil {
		t.Fatal(err)
	}
	binary := script(t, "netpol.test", `for flag in "$@"; do case $flag in --ginkgo.junit-report=*) cp `+sample+` "${flag#*=}";; esac; done
echo "$@"; exit `+status)
	return netpol{binary: binary, dir: t.TempDir(), jobs: 2, want: func(string) bool {
		return true
	}}
}

func TestPlanOfSpecs(t *testing.T) {
	s := recorded(t, "0")
	s.noSCTP = "no sockets"
	s.want = func(name string) bool { return name != endPort }
	plan, err := s.Plan(t.Context())
	want := Plan{Run: []string{denyAll, ingress, allowAll},
		Skipped: []Case{{Name: sctp, Outcome: Skipped, Why: "no sockets"}}}
	if diff := cmp.Diff(want, plan); diff != "" || err != nil {
		t.Errorf("plan: %v\n%s", err, diff)
	}
	s.noSCTP = ""
	if plan, err = s.Plan(t.Context()); err != nil || !slices.Contains(plan.Run, sctp) {
		t.Errorf("with SCTP: %v, %q; expected its spec to run", err, plan.Run)
	}
}

func TestRunOfSpecs(t *testing.T) {
	lost := "[sig-network] Netpol a spec of which the report says nothing"
	got := map[string]Case{}
	s := recorded(t, "0")
	err := s.Run(t.Context(), Plan{Run: []string{denyAll, allowAll, ingress, lost}}, func(c Case) {
		got[c.Name] = c
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Case{
		denyAll: {Name: denyAll, Outcome: Passed},
		allowAll: {Name: allowAll, Outcome: Passed, Flaky: true,
			Why: "probed twice: the first time there were wrong results"},
		ingress: {Name: ingress, Outcome: Failed,
			Why: "Had 24 wrong results in reachability matrix\n" +
				"log: sig-network-Netpol-NetworkPolicy-between-server-and-client-should-support-a-default-deny-ingress-policy-Feature-NetworkPolicy.log"},
		lost: {Name: lost, Outcome: Failed, Why: "the suite says nothing of this spec"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Case{}, "Time")); diff != "" {
		t.Error(diff)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, fileName(denyAll)+".log"))
	if focus := `should support a 'default-deny-all' policy \[Feature:NetworkPolicy\]$`; err != nil || !strings.Contains(string(log), focus) {
		t.Errorf("the spec's process got %s (%v); expected the focus %s", log, err, focus)
	}
}

func TestSpecWhoseProcessFails(t *testing.T) {
	c := recorded(t, "3").runSpec(t.Context(), denyAll)
	if c.Outcome != Failed || !strings.Contains(c.Why, "exit status 3") {
		t.Errorf("%+v; expected a failure with the exit status", c)
	}
}

func TestInterruptedRunIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorded(t, "0").Run(ctx, Plan{Run: []string{denyAll}}, func(Case) {}); err == nil {
		t.Error("no error; expected one")
	}
}
