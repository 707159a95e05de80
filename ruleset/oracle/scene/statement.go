package scene

import (
	"fmt"
	"strings"
)

// statement is a line and the indented lines that continue it.
type statement struct {
	at   string // file:line
	word string // the first one of the line
	rest string // of the line
	more []string
}

// statements splits the text of a section.
func (s section) statements() ([]statement, error) {
	var all []statement
	number := s.line - 1
	for line := range strings.Lines(s.text) {
		number++
		at := fmt.Sprintf("%s:%d", s.file, number)
		line = strings.TrimRight(line, " \t\r\n")
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#':
		case line != text && len(all) == 0:
			return nil, fmt.Errorf("%s: an indented line that continues nothing", at)
		case line != text:
			last := &all[len(all)-1]
			last.more = append(last.more, line)
		default:
			word, rest, _ := strings.Cut(text, " ")
			all = append(all, statement{at: at, word: word, rest: strings.TrimSpace(rest)})
		}
	}
	return all, nil
}

// text is all behind the first word, as one line.
func (s statement) text() string {
	words := strings.Fields(s.rest)
	for _, line := range s.more {
		words = append(words, strings.Fields(line)...)
	}
	return strings.Join(words, " ")
}

// yaml is what stands behind the first n words of the rest, as YAML: it may begin in the line and
// go on in those that are indented.
func (s statement) yaml(n int) (words []string, yaml string) {
	rest := s.rest
	for range n {
		word, left, _ := strings.Cut(rest, " ")
		words, rest = append(words, word), strings.TrimSpace(left)
	}
	return words, strings.Join(append([]string{rest}, s.more...), "\n")
}

// replace returns the statement with another text for each occurrence of one.
func (s statement) replace(old, text string) statement {
	s.rest = strings.ReplaceAll(s.rest, old, text)
	var more []string
	for _, line := range s.more {
		more = append(more, strings.ReplaceAll(line, old, text))
	}
	s.more = more
	return s
}

// variants takes the statement "each WORD" out of the others, and returns its word and values.
func variants(all []statement) (word string, values []string, rest []statement, err error) {
	for _, s := range all {
		switch {
		case s.word != "each":
			rest = append(rest, s)
		case word != "":
			return "", nil, nil, fmt.Errorf("%s: a second each", s.at)
		case s.rest == "" || len(s.more) == 0:
			return "", nil, nil, fmt.Errorf("%s: expected each WORD, and a value in each of some "+
				"indented lines", s.at)
		default:
			word = s.rest
			for _, line := range s.more {
				values = append(values, strings.TrimSpace(line))
			}
		}
	}
	return word, values, rest, nil
}
