package policy

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Problem is a part of a policy that is not in force, with the reason: it could not be
// understood, or it is beyond a budget of the node.
type Problem struct {
	Policy Key // without a namespace: of the Namespace object with this name
	*field.Error
}

// String names the object, the field and what is wrong with it.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Object(), p.Error.Error()) }

// Object names the object with its kind: NetworkPolicy shop/db, Namespace shop.
func (p Problem) Object() string {
	if p.Policy.Namespace == "" {
		return "Namespace " + p.Policy.Name
	}
	return "NetworkPolicy " + p.Policy.String()
}

// sameProblem reports whether two problems read alike.
func sameProblem(a, b Problem) bool { return a.String() == b.String() }

// What is reported of one policy is bounded: 1 MiB of it can have 100,000 problems, or
// one value that is as long.
const (
	maxProblems = 20
	maxValue    = 200 // bytes of a wrong value
	maxReason   = 500 // bytes of what apimachinery says about it
)

// invalid reports a value of a field that cannot be understood.
func (p *parser) invalid(at *field.Path, value any, detail string) {
	if text, ok := value.(string); ok {
		value = shorten(text, maxValue)
	}
	p.problems = append(p.problems, Problem{p.key, field.Invalid(at, value, detail)})
}

// reported returns the problems, of many only the first ones and how many more there
// are.
func (p *parser) reported() []Problem {
	more := len(p.problems) - maxProblems
	if more <= 0 {
		return p.problems
	}
	rest := fmt.Sprintf("%d more problems, told once these are mended", more)
	last := Problem{p.key, field.Invalid(field.NewPath("spec"), "...", rest)}
	return append(p.problems[:maxProblems], last)
}

// shorten cuts a text that somebody else has written to a length that fits into one
// line.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}
