// Package listing reads what the nft program says of Picket's table (`nft -j list`), so that two tables can be compared.
package listing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Object is one item of `nft -j`: its kind, and what there is of it.
type Object map[string]map[string]any

// Nft runs the nft program, and returns what it says.
type Nft func(input string, options ...string) (string, error)

// Read returns the objects of the table inet picket: the table, its chains with their rules, which are read in words, its
// sets and maps. Only these are asked for in JSON: nft 1.0.6 ends that where it comes to a table with a single flag, as
// that of a dead owner has.
func Read(nft Nft) ([]Object, error) {
	text, err := nft("", "-a", "list", "ruleset")
	objects := inWords(text)
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	answer, err := nft(`{"nftables":[{"list":{"sets":{"family":"inet"}}},{"list":{"maps":{"family":"inet"}}}]}`, "-j", "-f", "-")
	if err != nil {
		return nil, err
	}
	for documents := json.NewDecoder(strings.NewReader(answer)); documents.More(); {
		var parsed struct{ Nftables []Object }
		if err := documents.Decode(&parsed); err != nil {
			return nil, fmt.Errorf("nft -j: %w", err)
		}
		objects = append(objects, parsed.Nftables...)
	}
	return slices.DeleteFunc(objects, func(o Object) bool { return !o.counts() }), nil
}

// counts reports whether an object is of the table inet picket and follows from the manifests alone. The chain and
// the sets by which open connections are cut follow from what was open.
func (o Object) counts() bool {
	for kind, about := range o {
		table, name := about["table"], about["name"]
		if kind == "rule" {
			name = about["chain"]
		}
		return about["family"] == "inet" && table == "picket" && !strings.HasPrefix(fmt.Sprint(name), "cut")
	}
	return false
}

// Canonical is the table as text, a line an object, that is the same for the same rules: without handles, counts, owners
// or the order in which things were made, but that of rules. It is empty where there is no table.
func Canonical(objects []Object) string {
	var lines []string
	rules := map[any]int{}
	for _, o := range objects {
		for kind, about := range o {
			about = plain(about).(map[string]any)
			if kind == "table" {
				about["flags"] = asleep(about["flags"])
			}
			text, _ := json.Marshal(about) // it was JSON before
			place := ""
			if kind == "rule" {
				place = fmt.Sprintf(" %v #%03d", about["chain"], rules[about["chain"]])
				rules[about["chain"]]++
			}
			lines = append(lines, fmt.Sprintf("%s%s %s\n", kind, place, text))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// asleep reports whether flags of a table say that none of its rules counts.
func asleep(flags any) bool {
	list, _ := flags.([]string)
	return slices.Contains(list, "dormant")
}

// plain copies a value without what differs between two tables of the same rules.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		same := map[string]any{}
		for name, part := range v {
			if name != "handle" && name != "packets" && name != "bytes" {
				same[name] = plain(part)
			}
		}
		if elements, is := same["elem"].([]any); is {
			slices.SortFunc(elements, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return same
	case []any:
		same := make([]any, len(v))
		for i, part := range v {
			same[i] = plain(part)
		}
		return same
	default:
		return v
	}
}
