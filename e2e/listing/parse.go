package listing

import (
	"fmt"
	"regexp"
	"strings"
)

// counters are those of rules, which differ between tables of the same meaning.
var counters = regexp.MustCompile(`counter packets \d+ bytes \d+`)

// parser reads a listing line by line.
type parser struct {
	objects []Object
	inside  bool // the table inet picket
	// lines of an unfinished list of elements that were read; empty: there is none
	elements []string
}

func parse(text string) ([]Object, error) {
	var p parser
	for line := range strings.Lines(text) {
		said, handle, _ := strings.Cut(strings.TrimSpace(line), " # handle ")
		switch depth := len(line) - len(strings.TrimLeft(line, "\t")); {
		case depth == 0:
			p.table(said, handle)
		case said == "" || said == "}" || !p.inside:
		case depth == 1:
			p.inTable(said, handle)
		default:
			p.inObject(said, handle)
		}
	}
	if p.inside {
		return nil, fmt.Errorf("the listing of %d objects has no end", len(p.objects))
	}
	return p.objects, nil
}

// table reads the first or the last line of a table. That of an owned table ends with the owner's
// name.
func (p *parser) table(said, handle string) {
	said, _, _ = strings.Cut(said, " #")
	if said == "table inet picket {" {
		p.inside = true
		p.add("table", "picket", handle)
	}
	if said == "}" {
		p.inside = false
	}
}

// inTable reads a line of the table itself: flags, or the first line of a set, a map or a chain.
func (p *parser) inTable(said, handle string) {
	kind, name, _ := strings.Cut(said, " ")
	if name, is := strings.CutSuffix(name, " {"); is {
		p.add(kind, name, handle)
	} else {
		p.addText(said)
	}
}

// inObject reads a line of a chain, a set or a map.
func (p *parser) inObject(said, handle string) {
	first, begins := strings.CutPrefix(said, "elements = { ")
	switch {
	case begins:
		p.addElements(first)
	case len(p.elements) > 0:
		p.addElements(said)
	case handle != "": // the kernel gives one to a rule, not to the type and hook of a chain
		p.add("rule", p.chain(), handle)
		p.addText(said)
	default:
		p.addText(said)
	}
}

// addElements reads a line of elements; the last one ends with the bracket.
func (p *parser) addElements(line string) {
	line, last := strings.CutSuffix(line, " }")
	p.elements = append(p.elements, line)
	if last {
		o := &p.objects[len(p.objects)-1]
		o.Elements, p.elements = splitElements(strings.Join(p.elements, " ")), nil
	}
}

// splitElements splits a text at its commas, but for those in quotes.
func splitElements(text string) (parts []string) {
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
func (p *parser) chain() string { return p.objects[len(p.objects)-1].Name }

func (p *parser) add(kind, name, handle string) {
	p.objects = append(p.objects, Object{Kind: kind, Name: name, Handle: handle})
}

func (p *parser) addText(text string) {
	o := &p.objects[len(p.objects)-1]
	o.Text = append(o.Text, text)
}
