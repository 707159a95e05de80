package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// inNode runs a program in a node and returns what it says.
func (s *scene) inNode(node, stdin string, argv ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	err := s.StartInNode(node, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", argv[0], err, &problems)
	}
	return out.String(), nil
}

// nft runs a script of the nft program in a node.
func (s *scene) nft(node, script string) error {
	_, err := s.inNode(node, script, s.lab.nft, "-f", "-")
	return err
}

// object is one item of `nft -j`: its kind, and what there is of it.
type object map[string]map[string]any

// objects lists what a node holds in the table inet picket, in the order of the nft program.
func (s *scene) objects(node string) ([]object, error) {
	out, err := s.inNode(node, "", s.lab.nft, "-j", "list", "ruleset")
	if err != nil {
		return nil, err
	}
	return parseObjects(out)
}

func parseObjects(listing string) ([]object, error) {
	var parsed struct{ Nftables []object }
	if err := json.Unmarshal([]byte(listing), &parsed); err != nil {
		return nil, fmt.Errorf("nft -j: %w", err)
	}
	return slices.DeleteFunc(parsed.Nftables, func(o object) bool { return !o.counts() }), nil
}

// counts reports whether an object is of the table inet picket and follows from the manifests alone. The chain and
// the sets by which open connections are cut follow from what was open.
func (o object) counts() bool {
	for kind, about := range o {
		table, name := about["table"], about["name"]
		switch kind {
		case "table":
			table = name
		case "rule":
			name = about["chain"]
		}
		return about["family"] == "inet" && table == "picket" && !strings.HasPrefix(fmt.Sprint(name), "cut")
	}
	return false
}

// ruleset is the table of a node as text, a line an object, that is the same for the same rules: without handles,
// counts, owners or the order in which things were made, but that of rules. It is empty where there is no table.
func (s *scene) ruleset(node string) (string, error) {
	objects, err := s.objects(node)
	if err != nil {
		return "", err
	}
	return canonical(objects), nil
}

func canonical(objects []object) string {
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
	list, _ := flags.([]any)
	return slices.Contains(list, any("dormant"))
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

// difference lists the lines that only one of two texts has, the first of them.
func difference(before, after string) string {
	had, has := lineSet(before), lineSet(after)
	var lines []string
	for line := range maps.Keys(had) {
		if !has[line] {
			lines = append(lines, "- "+line)
		}
	}
	for line := range maps.Keys(has) {
		if !had[line] {
			lines = append(lines, "+ "+line)
		}
	}
	slices.Sort(lines)
	return abridged(lines)
}

// abridged joins lines, of which the first say enough.
func abridged(lines []string) string {
	const most, longest = 4, 200
	var text strings.Builder
	for i, line := range lines {
		if i == most {
			fmt.Fprintf(&text, "and %d more lines\n", len(lines)-most)
			break
		}
		if line = strings.TrimSpace(line); len(line) > longest {
			line = line[:longest] + "..."
		}
		text.WriteString(line + "\n")
	}
	return text.String()
}

func lineSet(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}

// owned reports whether the kernel keeps others from changing the table of a node.
func (s *scene) owned(node string) (bool, error) {
	objects, err := s.objects(node)
	for _, o := range objects {
		if flags, is := o["table"]["flags"].([]any); is && slices.Contains(flags, any("owner")) {
			return true, err
		}
	}
	return false, err
}
