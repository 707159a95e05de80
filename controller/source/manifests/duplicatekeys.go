package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// repeats are the keys that a document states twice, in words. Decoders take the last one; of a
// policy the first may have been what isolates.
type repeats struct{ found []string }

// err is nil where no key is stated twice.
func (r *repeats) err() error {
	if len(r.found) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.found, "; ") + "; expected each key once")
}

// note says that a mapping has a key, which is wrong the second time.
func (r *repeats) note(seen map[string]bool, key string, line func() int) {
	if seen[key] && len(r.found) < maxFaults {
		text := fmt.Sprintf("line %d: key %q already set in map", line(), short(key, maxValue))
		r.found = append(r.found, text)
	}
	seen[key] = true
}

// repeatedInJSON looks through JSON that is known to be well-formed.
func repeatedInJSON(text []byte) error {
	s := scanner{text: text}
	s.value()
	return s.err()
}

// scanner walks through well-formed JSON. Of a policy of a megabyte a decoder would take as long
// for this as for all the rest.
type scanner struct {
	repeats
	text []byte
	at   int // the next byte
}

// next is the first byte after white space.
func (s *scanner) next() byte {
	for s.text[s.at] <= ' ' {
		s.at++
	}
	return s.text[s.at]
}

// value passes a value.
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

// items passes the brackets of an object or array and what is between them.
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

// member passes a key and its value.
func (s *scanner) member(seen map[string]bool) {
	s.next()
	var key string
	if raw := s.quoted(); bytes.IndexByte(raw, '\\') < 0 {
		key = string(raw[1 : len(raw)-1])
	} else {
		_ = json.Unmarshal(raw, &key) // it is well-formed
	}
	s.note(seen, key, func() int { return 1 + bytes.Count(s.text[:s.at], []byte("\n")) })
	s.next() // the colon
	s.at++
	s.value()
}

// quoted passes a string and returns it as it stands there.
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

// repeatedInYAML looks through YAML in which a strict decoder found a key twice. A key that
// overrides one of a merge (<<) before it is none.
func repeatedInYAML(text []byte, strict error) error {
	var top yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		lines := strings.TrimPrefix(strict.Error(), "yaml: unmarshal errors:")
		return fmt.Errorf("%s; expected each key once", oneLine(lines))
	}
	var r repeats
	r.inYAML(&top)
	return r.err()
}

// inYAML reads a node and those below it. What an alias stands for is read where it is written.
func (r *repeats) inYAML(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		r.mapping(n)
	}
	for _, child := range n.Content {
		r.inYAML(child)
	}
}

func (r *repeats) mapping(n *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if isMerge(key) {
			r.merge(seen, n.Content[i+1], key.Line)
		}
		if key.Kind == yaml.ScalarNode {
			r.note(seen, key.Value, func() int { return key.Line })
		}
	}
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Tag == "!!merge"
}

// merge complains of a merge that stands after a key which it has too: YAML lets the key count,
// kubectl the merge.
func (r *repeats) merge(seen map[string]bool, from *yaml.Node, line int) {
	for _, key := range mergedKeys(from, map[*yaml.Node]bool{}) {
		if seen[key] && len(r.found) < maxFaults {
			text := fmt.Sprintf("line %d: << after key %q, which it states too", line, short(key, maxValue))
			r.found = append(r.found, text)
		}
	}
}

// mergedKeys are those that a mapping, an alias of one or a list of them brings along.
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
