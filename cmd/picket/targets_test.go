package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"sigs.k8s.io/yaml"
)

// repository is the folder of the repository.
var repository = filepath.Join("..", "..")

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// makeTargets returns the targets that the Makefile states by name.
func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	targets := map[string]bool{}
	makefile := readFile(t, filepath.Join(repository, "Makefile"))
	rule := regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	for _, match := range rule.FindAllStringSubmatch(makefile, -1) {
		targets[match[1]] = true
	}
	return targets
}

// workflow is what this test reads of a file in .github/workflows.
type workflow struct {
	Jobs map[string]struct {
		Strategy struct {
			Matrix struct{ Target []string }
		}
		Steps []struct{ Uses, Run string }
	}
}

var (
	makeStep   = regexp.MustCompile(`^(?:sudo -E env "PATH=\$PATH" )?make (\S+)$`)
	makeMatrix = "${{ matrix.target }}"
)

// Each step of a workflow uses an action or calls make, with a target that exists.
func TestWorkflowsCallMakeTargets(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(repository, ".github", "workflows", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("workflows: %v (%v)", paths, err)
	}
	exists := makeTargets(t)
	for _, path := range paths {
		called := calledBy(t, path)
		if len(called) == 0 {
			t.Errorf("%s calls no target", path)
		}
		for _, target := range called {
			if !exists[target] {
				t.Errorf("%s calls make %s: no such target", path, target)
			}
		}
	}
}

// calledBy returns the make targets that a workflow calls.
func calledBy(t *testing.T, path string) (targets []string) {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(readFile(t, path)), &w); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	inMatrix := regexp.MustCompile(`make ` + regexp.QuoteMeta(makeMatrix) + `$`)
	for name, job := range w.Jobs {
		for _, step := range job.Steps {
			match := makeStep.FindStringSubmatch(step.Run)
			switch {
			case step.Run == "" && step.Uses != "":
			case inMatrix.MatchString(step.Run) && len(job.Strategy.Matrix.Target) > 0:
				targets = append(targets, job.Strategy.Matrix.Target...)
			case match != nil:
				targets = append(targets, match[1])
			default:
				t.Errorf("%s: job %s runs %q; expected a make target and nothing else", path, name,
					step.Run)
			}
		}
	}
	return targets
}
