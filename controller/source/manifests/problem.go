package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// The limits of what a problem says, whatever a file holds.
const (
	maxErrors = 10   // errors of one object
	maxValue  = 100  // bytes of a wrong value
	maxName   = 300  // bytes of a name; an API server takes 253
	maxLine   = 4000 // bytes of a problem
)

// Problem is one thing that is wrong with the files, as an error of one line.
type Problem struct {
	File     string // the given path, with the file's name for a folder; may be empty
	Document int    // 1-based, documents without content are not counted; 0: the whole file
	Object   string // "Pod default/web", "item 3" of a list without a name, or empty if unknown
	Err      error  // what is wrong and what was expected
	Closed   Key    // the policy that isolates in place of the one that is wrong; zero: none does
}

// Error returns "file: document 2: Pod default/web: what is wrong", on one line whatever the file
// holds.
func (p Problem) Error() string {
	var parts []string
	if p.File != "" {
		parts = append(parts, p.File)
	}
	if p.Document > 0 {
		parts = append(parts, fmt.Sprintf("document %d", p.Document))
	}
	if p.Object != "" {
		parts = append(parts, p.Object)
	}
	if p.Err != nil {
		parts = append(parts, p.Err.Error())
	}
	return oneLine(strings.Join(parts, ": "))
}

// Unwrap returns Err, for errors.Is and errors.As.
func (p Problem) Unwrap() error { return p.Err }

// oneLine joins lines, removes what could control a terminal, and cuts what is too long.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return short(strings.Join(strings.Fields(clean), " "), maxLine)
}

// short cuts a text that comes from a file, so that it fits into a line.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// sortProblems sorts by place, then by text.
func sortProblems(all []Problem) {
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Document, b.Document),
			cmp.Compare(a.Object, b.Object),
			cmp.Compare(a.Error(), b.Error()),
		)
	})
}

// sameProblems reports whether two sorted lists print the same.
func sameProblems(a, b []Problem) bool {
	return slices.EqualFunc(a, b, func(x, y Problem) bool { return x.Error() == y.Error() })
}
