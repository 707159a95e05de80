package lint

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// notUnderstood finds the parts of namespaces and policies that match nothing, as the agent reports
// them.
func (l *linter) notUnderstood() {
	var all []policy.Problem
	for _, name := range l.cluster.NamespaceNames() {
		all = append(all, l.cluster.Namespace(name).Problems...)
	}
	for _, p := range l.cluster.Policies {
		all = append(all, p.Problems...)
	}
	for _, problem := range all {
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
		l.add(at{problem.Policy, path}, fmt.Sprintf("%v: %s", problem.BadValue, text), fix)
	}
}

// addProblem adds a finding about a place of a file.
func (l *linter) addProblem(p manifests.Problem, message, fix string) {
	place, object := l.files.PlaceOf(p), p.Object
	if object == "" && p.Document > 0 {
		object = fmt.Sprintf("document %d", p.Document)
	}
	l.findings = append(l.findings, Finding{Check: l.check.ID, Severity: l.check.Severity,
		Object: object, File: place.File, Line: place.Line, Message: message, Fix: fix})
}

// fileProblems finds what is wrong with files and objects.
func (l *linter) fileProblems() {
	if l.files == nil {
		return
	}
	for _, p := range l.files.Wrong {
		message, fix := wordsOf(p)
		l.addProblem(p, message, fix)
	}
}

// wordsOf says what is wrong with a file or object, and what to do.
func wordsOf(p manifests.Problem) (message, fix string) {
	var syntax *manifests.SyntaxError
	if errors.As(p.Err, &syntax) {
		return syntax.What, syntax.Expected
	}
	message, fix, found := strings.Cut(p.Err.Error(), "; ")
	if found {
		return message, fix
	}
	// Others say what was expected instead.
	if message, fix, found = strings.Cut(message, ": expected "); found {
		return message, "expected " + fix
	}
	return message, "mend it: until then nothing of it counts"
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
