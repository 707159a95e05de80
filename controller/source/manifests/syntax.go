package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
)

// SyntaxError says that a document is no YAML, or no JSON.
type SyntaxError struct {
	What     string // what is wrong, without a line
	Expected string // what people can do
	Line     int    // 1-based, of the document; 0: not known
	err      error  // with the words of the library
}

// Error returns the words of the library, whose line is that of the document.
func (e *SyntaxError) Error() string { return e.err.Error() }

// Unwrap returns the error of the library.
func (e *SyntaxError) Unwrap() error { return e.err }

// yamlLine is how the library says a line: it has no error type with a field for it.
var yamlLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:line ([0-9]+): )?`)

// newSyntaxError looks up what is known of an error of a library about a text. err has its words
// already.
func newSyntaxError(text []byte, library, err error) *SyntaxError {
	e := &SyntaxError{What: library.Error(), err: err}
	var inJSON *json.SyntaxError
	switch {
	case errors.As(library, &inJSON):
		before := text[:min(int(inJSON.Offset), len(text))]
		e.What, e.Line = "is no JSON: "+e.What, 1+bytes.Count(before, []byte("\n"))
		e.Expected = "look for a wrong comma, bracket or quote there, or above it"
	default:
		if m := yamlLine.FindStringSubmatch(e.What); m != nil {
			e.What = e.What[len(m[0]):]
			e.Line, _ = strconv.Atoi(m[1]) // 0 where the library says none
		}
		e.What = "is no YAML: " + e.What
		e.Expected = "look for a wrong indent, bracket or quote there, or above it"
	}
	switch line, brace := numberedLine(text, e.Line), bytes.Index(text, []byte("{{")); {
	case brace >= 0:
		if e.Line == 0 {
			e.Line = 1 + bytes.Count(text[:brace], []byte("\n"))
		}
		e.Expected = "it looks like a template: render it first, such as with helm template"
	case bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")):
		e.Expected = "indent with spaces: YAML allows no tabs there"
	}
	return e
}

// numberedLine returns a line of a text; nothing where it has none of that number.
func numberedLine(text []byte, number int) []byte {
	lines := bytes.Split(text, []byte("\n"))
	if number < 1 || number > len(lines) {
		return nil
	}
	return lines[number-1]
}
