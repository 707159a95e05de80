package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// duplicateKeys collects the keys that a document states twice. Decoders take the last value; the
// first one may have been what makes a policy isolate.
type duplicateKeys struct{ found []string }

// err returns nil if no key is stated twice.
func (r *duplicateKeys) err() error {
	if len(r.found) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.found, "; ") + "; expected each key once")
}

// add adds a key to those that were seen in a mapping, and records it if it was there before.
func (r *duplicateKeys) add(seen map[string]bool, key string, line func() int) {
	if seen[key] && len(r.found) < maxErrors {
		text := fmt.Sprintf("line %d: key %q already set in map", line(), short(key, maxValue))
		r.found = append(r.found, text)
	}
	seen[key] = true
}

// duplicateKeysInJSON looks for them in JSON that must be well-formed.
func duplicateKeysInJSON(text []byte) error {
	s := scanner{text: text}
	s.value()
	return s.err()
}

// scanner reads through well-formed JSON. For a policy of a megabyte, encoding/json would take as
// long for this as all the rest takes.
type scanner struct {
	duplicateKeys
	text []byte
	at   int // the next byte
}

// next returns the first byte after white space.
func (s *scanner) next() byte {
	for s.text[s.at] <= ' ' {
		s.at++
	}
	return s.text[s.at]
}

// value reads past a value.
func (s *scanner) value() {
	switch s.next() {
	case '{':
		seen := map[string]bool{}
		s.items('}', func() { s.member(seen) })
	case '[':
		s.items(']', s.value)
	case '"':
		s.quoted()
	default: // a number or a word
		for s.at < len(s.text) && strings.IndexByte(",]} \t\r\n", s.text[s.at]) < 0 {
			s.at++
		}
	}
}

// items reads past an object or array, calling item for what is between its commas.
func (s *scanner) items(end byte, item func()) {
	s.at++
	for s.next() != end {
		item()
		if s.next() == ',' {
			s.at++
		}
	}
	s.at++
}

// member reads past a key and its value.
func (s *scanner) member(seen map[string]bool) {
	s.next()
	var key string
	if raw := s.quoted(); bytes.IndexByte(raw, '\\') < 0 {
		key = string(raw[1 : len(raw)-1])
	} else {
		_ = json.Unmarshal(raw, &key) // it is well-formed
	}
	s.add(seen, key, func() int { return 1 + bytes.Count(s.text[:s.at], []byte("\n")) })
	s.next() // the colon
	s.at++
	s.value()
}

// quoted reads past a string and returns it with its quotes and escapes.
func (s *scanner) quoted() []byte {
	start := s.at
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	return s.text[start:s.at]
}

// duplicateKeysInYAML looks for them in YAML in which a strict decoder found some. A key that
// overrides one of a merge (<<) before it is none.
func duplicateKeysInYAML(text []byte, strict error) error {
	var top yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		lines := strings.TrimPrefix(strict.Error(), "yaml: unmarshal errors:")
		return fmt.Errorf("%s; expected each key once", oneLine(lines))
	}
	var r duplicateKeys
	r.inYAML(&top)
	return r.err()
}

// inYAML reads a node and those below it. What an alias stands for is read at its anchor only.
func (r *duplicateKeys) inYAML(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		r.mapping(n)
	}
	for _, child := range n.Content {
		r.inYAML(child)
	}
}

// mapping reads the keys of one mapping.
func (r *duplicateKeys) mapping(n *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if isMerge(key) {
			r.merge(seen, n.Content[i+1], key.Line)
		}
		if key.Kind == yaml.ScalarNode {
			r.add(seen, key.Value, func() int { return key.Line })
		}
	}
}

// isMerge reports whether a key is <<, which adds the keys of another mapping.
func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Tag == "!!merge"
}

// merge records the keys of a merge that stood in the mapping before it: for YAML the key counts,
// for kubectl the merge.
func (r *duplicateKeys) merge(seen map[string]bool, from *yaml.Node, line int) {
	for _, key := range mergedKeys(from, map[*yaml.Node]bool{}) {
		if seen[key] && len(r.found) < maxErrors {
			text := fmt.Sprintf("line %d: << after key %q, which it states too", line,
				short(key, maxValue))
			r.found = append(r.found, text)
		}
	}
}

// mergedKeys returns the keys of a mapping, of an alias of one, or of a list of them.
func mergedKeys(n *yaml.Node, visited map[*yaml.Node]bool) []string {
	if n == nil || visited[n] {
		return nil
	}
	visited[n] = true
	var keys []string
	switch n.Kind {
	case yaml.AliasNode:
		return mergedKeys(n.Alias, visited)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			keys = append(keys, mergedKeys(item, visited)...)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if isMerge(n.Content[i]) {
				keys = append(keys, mergedKeys(n.Content[i+1], visited)...)
			} else {
				keys = append(keys, n.Content[i].Value)
			}
		}
	}
	return keys
}
