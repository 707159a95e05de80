package lint

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/controller/source/manifests"
)

// notUnderstood finds the parts of policies that match nothing, as the agent reports them.
func (l *linter) notUnderstood() {
	for _, p := range l.cluster.Policies {
		for _, problem := range p.Problems {
			// The field is that of the API, as kubectl shows it.
			var about *field.Error
			path := ""
			if errors.As(problem.Error, &about) {
				path = about.Field
			}
			text, fix, _ := strings.Cut(problem.Error.Detail, "; ")
			// Not every problem says what to do.
			if fix == "" {
				fix = "mend it: until then it matches nothing"
			}
			l.add(at{p.Key, path},
				fmt.Sprintf("%v: %s", problem.BadValue, text),
				fix)
		}
	}
}

// addProblem adds a finding about a place of a file.
func (l *linter) addProblem(p manifests.Problem, message, fix string) {
	place := l.files.PlaceOf(p)
	l.findings = append(l.findings, Finding{Check: l.check.ID, Severity: l.check.Severity,
		Object: p.Object, File: place.File, Line: place.Line, Message: message, Fix: fix})
}

// fileProblems finds what is wrong with files and objects.
func (l *linter) fileProblems() {
	if l.files == nil {
		return
	}
	for _, p := range l.files.Wrong {
		message, fix, _ := strings.Cut(p.Err.Error(), "; ")
		// Others say what was expected instead.
		if fix == "" {
			message, fix, _ = strings.Cut(message, ": expected ")
			fix = "expected " + fix
		}
		l.addProblem(p, message, fix)
	}
}

// emptyFiles finds files that hold nothing.
func (l *linter) emptyFiles() {
	if l.files == nil {
		return
	}
	for _, p := range l.files.Empty {
		message, fix, _ := strings.Cut(p.Err.Error(), "; ")
		l.addProblem(p, message, fix)
	}
}

// otherEngines finds policies that only another engine would enforce.
func (l *linter) otherEngines() {
	if l.files == nil {
		return
	}
	for _, p := range l.files.Foreign {
		l.addProblem(p, p.Err.Error()+" is a policy of another engine: nothing here enforces it",
			"write it as networking.k8s.io/v1 NetworkPolicy, or keep the engine that enforces it")
	}
}
