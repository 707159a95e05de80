package listing

import (
	"fmt"
	"regexp"
	"strings"
)

// Run runs a program of legacy iptables or of ipset, and returns its output.
type Run func(words ...string) (string, error)

// legacyPrograms begin the names of the programs of a family.
var legacyPrograms = []string{"iptables-legacy", "ip6tables-legacy"}

// legacyTables are those that Picket has chains in.
var legacyTables = []string{"mangle", "filter"}

// ReadIPTables returns what Picket has in legacy iptables and in ipset, none where there is
// nothing: its chains, each with its rules, its sets, and the rules of others' chains that lead to
// its own. The name of a chain begins with the words by which its rules are changed, such as
// iptables-legacy -t mangle picket-forward, and the handle of a rule is its number.
func ReadIPTables(run Run) ([]Object, error) {
	var objects []Object
	for _, program := range legacyPrograms {
		for _, table := range legacyTables {
			text, err := run(program+"-save", "-t", table)
			if err != nil {
				return nil, err
			}
			objects = append(objects, chainsOf(program+" -t "+table+" ", text)...)
		}
	}
	text, err := run("ipset", "save")
	objects = append(objects, setsOf(text)...)
	return withoutLegacyCuts(objects), err
}

// isPickets reports whether a chain or set of legacy iptables is Picket's.
func isPickets(name string) bool {
	return strings.HasPrefix(name, "picket-") || strings.HasPrefix(name, "pkt-")
}

// legacyCut begins the names of what open connections are cut by.
const legacyCut = "picket-cut"

// withoutLegacyCuts leaves out what isCut is of the table inet picket: chains and sets, the rule
// that leads to them, and the one before it, which keeps packets of the node from it.
func withoutLegacyCuts(objects []Object) (rest []Object) {
	for _, o := range objects {
		name := o.Name[strings.LastIndexByte(o.Name, ' ')+1:]
		last := len(rest) - 1
		switch {
		case strings.HasPrefix(name, legacyCut):
		case o.Kind == "rule" && o.Text[0] == "-j "+legacyCut:
			if last >= 0 && rest[last].Kind == "rule" && rest[last].Name == o.Name {
				rest = rest[:last]
			}
		default:
			rest = append(rest, o)
		}
	}
	return rest
}

// chainsOf reads what iptables-save prints of one table. Rules of others' chains have their number
// in their text.
func chainsOf(table, text string) (objects []Object) {
	numbers := map[string]int{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, is := strings.CutPrefix(line, ":"); is {
			if name, _, _ := strings.Cut(head, " "); isPickets(name) {
				objects = append(objects, Object{Kind: "chain", Name: table + name})
			}
			continue
		}
		rest, is := strings.CutPrefix(line, "-A ")
		if !is {
			continue
		}
		chain, rule, _ := strings.Cut(rest, " ")
		numbers[chain]++
		o := Object{Kind: "rule", Name: table + chain, Handle: fmt.Sprint(numbers[chain]),
			Text: []string{rule}}
		if !isPickets(chain) {
			o.Text = []string{"rule " + o.Handle, rule}
		}
		if isPickets(chain) || isPickets(target(rule)) {
			objects = append(objects, o)
		}
	}
	return objects
}

// target is the chain that a rule leads to, empty where it leads to none. What stands in quotes is
// a comment, which anybody can write.
func target(rule string) string {
	rule = quoted.ReplaceAllString(rule, "")
	if i := max(strings.LastIndex(rule, "-j "), strings.LastIndex(rule, "-g ")); i >= 0 {
		name, _, _ := strings.Cut(rule[i+3:], " ")
		return name
	}
	return ""
}

// quoted is a text of a rule, in which quotes and backslashes have a backslash before them.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// setsOf reads what ipset save prints. Of the properties of a set only its type and its family
// differ between two of different meaning.
func setsOf(text string) (objects []Object) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || !isPickets(words[1]) {
			continue
		}
		switch last := len(objects) - 1; words[0] {
		case "create":
			objects = append(objects, Object{Kind: "set", Name: words[1],
				Text: words[2:min(len(words), 5)]})
		case "add":
			objects[last].Elements = append(objects[last].Elements, words[2])
		}
	}
	return objects
}
