package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Needs       []string
		Strategy    struct {
			Matrix struct{ Target []string }
		}
		Steps []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

var (
	makeStep   = regexp.MustCompile(`^(?:sudo -E env "PATH=\$PATH" )?make (\S+)$`)
	makeMatrix = "${{ matrix.target }}"
)

// workflows returns all of them, by their paths.
func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(repository, ".github", "workflows", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("workflows: %v (%v)", paths, err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		w, err := parseWorkflow(readFile(t, path))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = w
	}
	return all
}

// parseWorkflow reads a workflow. A key that stands twice is an error, as it is for GitHub.
func parseWorkflow(text string) (w workflow, err error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return w, err
	}
	return w, json.Unmarshal(data, &w)
}

func TestKeyOfAWorkflowStandsOnce(t *testing.T) {
	const once = "permissions:\n  contents: read\n"
	if w, err := parseWorkflow(once); err != nil || w.Permissions["contents"] != "read" {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := parseWorkflow(once + once); err == nil {
		t.Error("permissions stand twice: no error")
	}
}

// What a workflow builds or tests gets no token that writes: jobs have the rights that the file
// states, checkouts leave no token behind, and what writes calls nothing but publish, sign and announce.
func TestWorkflowsHaveTheRightsTheyNeed(t *testing.T) {
	mayWrite := map[string]bool{"publish": true, "sign": true, "announce": true}
	for path, w := range workflows(t) {
		if w.Permissions == nil {
			t.Errorf("%s: permissions are missing; expected those that each job needs", path)
		}
		for name, job := range w.Jobs {
			writes := slices.Contains(slices.Collect(maps.Values(w.Permissions)), "write") ||
				slices.Contains(slices.Collect(maps.Values(job.Permissions)), "write")
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/checkout@") &&
					step.With["persist-credentials"] != false {
					t.Errorf("%s: job %s: a checkout without persist-credentials: false", path,
						name)
				}
				if match := makeStep.FindStringSubmatch(step.Run); writes && step.Run != "" &&
					(match == nil || !mayWrite[match[1]]) {
					t.Errorf("%s: job %s may write, and runs %q", path, name, step.Run)
				}
			}
		}
	}
}

// What is tested, signed and attested becomes public last.
func TestReleaseIsPublicLast(t *testing.T) {
	for path, w := range workflows(t) {
		if filepath.Base(path) != "release.yml" {
			continue
		}
		steps, needs := w.Jobs["publish"].Steps, w.Jobs["publish"].Needs
		if len(steps) == 0 || steps[len(steps)-1].Run != "make announce" {
			t.Errorf("%s: the last step of publish is not make announce", path)
		}
		if slices.Sort(needs); !slices.Equal(needs, []string{"build", "test"}) {
			t.Errorf("%s: publish needs %q; expected build and test", path, needs)
		}
		return
	}
	t.Error("there is no release.yml")
}

// Each step of a workflow uses an action or calls make, with a target that exists.
func TestWorkflowsCallMakeTargets(t *testing.T) {
	exists := makeTargets(t)
	for path, w := range workflows(t) {
		called := calledBy(t, path, w)
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
func calledBy(t *testing.T, path string, w workflow) (targets []string) {
	t.Helper()
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
