// Package listing reads what the nft program says of Picket's table (`nft -a list ruleset`), so
// that two tables can be compared. It reads the text form, since nft 1.0.6 ends its JSON where it
// comes to a table with a single flag, as that of a dead owner has.
package listing

import (
	"fmt"
	"slices"
	"strings"
)

// Object is the table inet picket, or what it holds.
type Object struct {
	Kind     string   // table, chain, rule, set or map
	Name     string   // of a rule: that of its chain
	Handle   string   // by which the kernel finds it
	Text     []string // its lines
	Elements []string // of a set or map
}

// Nft runs the nft program, and returns its output.
type Nft func(options ...string) (string, error)

// Read returns the objects of the table inet picket, none where there is no such table: the table,
// its chains, each with its rules, its sets and maps.
func Read(nft Nft) ([]Object, error) {
	text, err := nft("-a", "list", "ruleset")
	objects, problem := parse(text)
	if err == nil {
		err = problem
	}
	return slices.DeleteFunc(objects, Object.isCut), err
}

// isCut reports whether an object is one of those by which open connections are cut. They depend on
// which connections were open, all others on the manifests alone.
func (o Object) isCut() bool { return strings.HasPrefix(o.Name, "cut") }

// Key is what the nft program takes to delete an element.
func Key(element string) string {
	for _, rest := range []string{" comment ", " : "} {
		element, _, _ = strings.Cut(element, rest)
	}
	return element
}

// Canonical is the table as text, a line an object, that is the same for the same rules: without
// handles, counts, owners or the order in which things were made, but that of rules. It is empty
// where there is no table.
func Canonical(objects []Object) string {
	var lines []string
	rules := map[string]int{}
	for _, o := range objects {
		place := ""
		if o.Kind == "rule" {
			place = fmt.Sprintf(" #%03d", rules[o.Name])
			rules[o.Name]++
		}
		lines = append(lines, fmt.Sprintf("%s %s%s %s\n", o.Kind, o.Name, place, o.lasting()))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// lasting is the text of an object without what differs between two of the same meaning.
func (o Object) lasting() string {
	if o.Kind == "table" { // owned or not, its rules count unless it is dormant
		return fmt.Sprint("dormant: ", strings.Contains(strings.Join(o.Text, ""), "dormant"))
	}
	text := counters.ReplaceAllString(strings.Join(o.Text, "; "), "counter")
	if len(o.Elements) > 0 {
		text += " { " + strings.Join(slices.Sorted(slices.Values(o.Elements)), ", ") + " }"
	}
	return text
}
