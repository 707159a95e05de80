package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// learnsNothing replaces a rule of the forward chain behind the backend's back, and has it learn from the
// chain that it is told to have loaded.
func learnsNothing(t *testing.T, b *Backend, chain string) {
	t.Helper()
	run(t, "", "iptables-legacy", "-t", mainTable, "-R", forwardChain, "1", "-j", "RETURN")
	b.spelled = false
	loaded := map[ruleset.Family]string{ruleset.IPv4: emptied(chain) + "\n"}
	if err := b.learnSpelling(t.Context(), loaded); err != nil || len(b.spelling) > 0 {
		t.Errorf("learned: %q, %v", b.spelling, err)
	}
}

// What somebody does to a rule before the spelling is learned is never taken for a spelling.
func TestSpellingIsOfLoadedRules(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	learnsNothing(t, b, outputChain)
	if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Damaged {
		t.Errorf("%v, %v; want it damaged", have.Condition, err)
	}
}

// What somebody puts back between the load and the look at it is never taken for a spelling either.
func TestSpellingIsNoOlderRule(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	learnsNothing(t, b, forwardChain)
	if text := run(t, "", "iptables-legacy-save", "-t", mainTable); strings.Contains(text,
		"spelling") {
		t.Errorf("a chain is left:\n%s", text)
	}
	if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Damaged {
		t.Errorf("%v, %v; want it damaged", have.Condition, err)
	}
	converge(t, b, p)
}

// A version that prints rules in another way is learned, for each rule that comes, and no rule is
// remembered that has gone.
func TestAnotherSpellingIsLearned(t *testing.T) {
	newNetns(t)
	folder := t.TempDir()
	for _, program := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("#!/bin/sh\n%s \"$@\" | sed 's/-m conntrack --ctstate /-m state "+
			"--state /; s/--dport /--destination-port /'\n", path)
		if err := os.WriteFile(filepath.Join(folder, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	if len(b.spelling) == 0 {
		t.Fatal("nothing is learned")
	}
	intact := func() {
		t.Helper()
		have, err := b.Observe(t.Context())
		if err != nil || have.Condition != ruleset.Intact {
			t.Errorf("%v, %v", have.Condition, err)
		}
	}
	intact()
	before := len(b.spelling)
	for port := range uint16(3) {
		more := sample(ruleset.Drop)
		at := slices.IndexFunc(more.Chains, func(c ruleset.Chain) bool { return c.Subject != "" })
		more.Chains[at].Steps = append(ruleset.RuleSteps(ruleset.Rule{Proto: ruleset.TCP,
			Ports: []ruleset.PortRange{{First: 7000 + port, Last: 7000 + port}}}),
			more.Chains[at].Steps...)
		have, err := b.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(t.Context(), ruleset.Diff(have, more)); err != nil {
			t.Fatal(err)
		}
		intact()
	}
	if len(b.spelling) > before+1 {
		t.Errorf("%d rules are remembered, and were %d", len(b.spelling), before)
	}
	run(t, "", "iptables-legacy", "-t", mainTable, "-R", forwardChain, "1", "-j", "RETURN")
	if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Damaged {
		t.Errorf("%v, %v; want it damaged", have.Condition, err)
	}
}
