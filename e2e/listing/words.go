package listing

import (
	"fmt"
	"regexp"
	"strings"
)

var counted = regexp.MustCompile(`counter packets \d+ bytes \d+`)

// words reads a listing line by line.
type words struct {
	objects  []Object
	inside   bool     // the table inet picket
	elements []string // lines of them that were read, while there are more; empty: the line is not among any
}

func parse(text string) ([]Object, error) {
	var w words
	for line := range strings.Lines(text) {
		said, handle, _ := strings.Cut(strings.TrimSpace(line), " # handle ")
		switch depth := len(line) - len(strings.TrimLeft(line, "\t")); {
		case depth == 0:
			w.table(said, handle)
		case said == "" || said == "}" || !w.inside:
		case depth == 1:
			w.head(said, handle)
		default:
			w.body(said, handle)
		}
	}
	if w.inside {
		return nil, fmt.Errorf("the listing of %d objects has no end", len(w.objects))
	}
	return w.objects, nil
}

// table reads where a table begins or ends. That of an owner has the owner's name behind it.
func (w *words) table(said, handle string) {
	said, _, _ = strings.Cut(said, " #")
	if said == "table inet picket {" {
		w.inside = true
		w.add("table", "picket", handle)
	}
	if said == "}" {
		w.inside = false
	}
}

// head reads what stands in the table itself: flags, and where a set, a map or a chain begins.
func (w *words) head(said, handle string) {
	kind, name, _ := strings.Cut(said, " ")
	if name, is := strings.CutSuffix(name, " {"); is {
		w.add(kind, name, handle)
	} else {
		w.say(said)
	}
}

// body reads what stands in a chain, a set or a map.
func (w *words) body(said, handle string) {
	first, begins := strings.CutPrefix(said, "elements = { ")
	switch {
	case begins:
		w.more(first)
	case len(w.elements) > 0:
		w.more(said)
	case handle != "": // the kernel gives one to a rule, not to the type and hook of a chain
		w.add("rule", w.chain(), handle)
		w.say(said)
	default:
		w.say(said)
	}
}

// more takes a line of elements, the last of which ends with the bracket.
func (w *words) more(line string) {
	line, last := strings.CutSuffix(line, " }")
	w.elements = append(w.elements, line)
	if last {
		o := &w.objects[len(w.objects)-1]
		o.Elements, w.elements = divided(strings.Join(w.elements, " ")), nil
	}
}

// divided are the parts between the commas of a text, but for those in quotes.
func divided(text string) (parts []string) {
	quoted, from := false, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[from:]))
}

// chain is the name of the chain that a rule stands in.
func (w *words) chain() string { return w.objects[len(w.objects)-1].Name }

func (w *words) add(kind, name, handle string) {
	w.objects = append(w.objects, Object{Kind: kind, Name: name, Handle: handle})
}

func (w *words) say(text string) {
	o := &w.objects[len(w.objects)-1]
	o.Text = append(o.Text, text)
}
