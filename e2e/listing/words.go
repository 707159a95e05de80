package listing

import (
	"regexp"
	"strings"
)

// words reads a listing line by line.
type words struct {
	objects []Object
	inside  bool   // the table inet picket
	chain   string // that the line is in, if it is in one
}

// inWords returns the table, its chains and rules; nothing where there is no table.
func inWords(text string) []Object {
	var w words
	for line := range strings.Lines(text) {
		said, handle, _ := strings.Cut(strings.TrimSpace(line), " # handle ")
		switch depth := len(line) - len(strings.TrimLeft(line, "\t")); {
		case strings.HasPrefix(line, "table "):
			w.table(said)
		case said == "" || !w.inside:
		case depth == 1:
			w.head(said, handle)
		case depth == 2 && w.chain != "":
			w.rule(said, handle)
		}
	}
	return w.objects
}

func (w *words) table(said string) {
	if w.inside = said == "table inet picket {" || strings.HasPrefix(said, "table inet picket { #"); w.inside {
		w.add("table", map[string]any{"name": "picket"})
	}
}

// head reads what stands in the table itself: flags, and where a set, a map or a chain begins and ends.
func (w *words) head(said, handle string) {
	flags, isFlags := strings.CutPrefix(said, "flags ")
	name, isChain := strings.CutPrefix(strings.TrimSuffix(said, " {"), "chain ")
	w.chain = ""
	switch {
	case isFlags:
		w.objects[0]["table"]["flags"] = strings.Split(flags, ",")
	case isChain:
		w.chain = name
		w.add("chain", map[string]any{"name": name, "handle": handle})
	}
}

func (w *words) rule(said, handle string) {
	if handle == "" { // no rule: type and hook of a base chain
		w.objects[len(w.objects)-1]["chain"]["base"] = said
		return
	}
	w.add("rule", map[string]any{"chain": w.chain, "handle": handle, "text": counted.ReplaceAllString(said, "counter")})
}

var counted = regexp.MustCompile(`counter packets \d+ bytes \d+`)

func (w *words) add(kind string, about map[string]any) {
	about["family"], about["table"] = "inet", "picket"
	w.objects = append(w.objects, Object{kind: about})
}
