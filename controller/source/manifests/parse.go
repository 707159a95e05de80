package manifests

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// textHash identifies the text of a document. It is cryptographic because it decides whether a
// policy is parsed again: nobody must be able to craft two texts with the same hash.
type textHash [sha256.Size]byte

// document is what one document of a file states. It holds no place, so that it can be used again
// if the same text is elsewhere in the file.
type document struct {
	hash          textHash
	entries       []entry
	problems      []Problem // without File and Document
	skipped       int       // objects of kinds that are not kept
	foreign       []Problem // policies of other engines; without File and Document
	duplicateKeys error     // keys that are stated twice, if the text may hold a policy
	parser                  // how it is read
}

// parser says how files are read.
type parser struct {
	onlyJSON  bool
	extras    bool   // workloads and Services are kept
	namespace string // of objects that state none; empty: the default one
}

// parse parses all documents of a file. Those whose text is among the ones before are taken over,
// with their objects, and not parsed again.
func (p parser) parse(data []byte, before []document) []document {
	have := make(map[textHash]document, len(before))
	for _, d := range before {
		have[d.hash] = d
	}
	var all []document
	for _, c := range split(data, p.onlyJSON) {
		sum := textHash(sha256.Sum256(c.text))
		d, found := have[sum]
		if !found {
			d = p.parseDocument(c)
			d.hash = sum
		}
		all = append(all, d)
	}
	return all
}

// parseDocument recovers from panics of the YAML and JSON libraries: one document, which anybody
// may have written, must not end the agent.
func (p parser) parseDocument(c chunk) (d document) {
	defer func() {
		if r := recover(); r != nil {
			d = document{problems: []Problem{{Err: fmt.Errorf("parse: %v", r)}}}
		}
	}()
	d.parser = p
	raw, duplicateKeys, err := toJSON(c)
	if err != nil {
		d.addProblem("", err)
		return d
	}
	if string(raw) != "null" {
		d.duplicateKeys = duplicateKeys
		d.decode(raw, metav1.TypeMeta{}, place{})
		d.checkLostPolicy()
	}
	return d
}

// checkLostPolicy adds a problem if a key is stated twice and what is left holds no policy: the
// first of the two values may have held one.
func (d *document) checkLostPolicy() {
	if d.duplicateKeys != nil && len(d.problems) == 0 {
		d.addProblem("", fmt.Errorf("%w; a policy may be lost", d.duplicateKeys))
	}
}

// toJSON returns a document as JSON, and, if it may hold a policy, an error for the keys that it
// states twice. A document without such keys is parsed once only: for a policy of a megabyte that
// is half of all the time until it counts.
func toJSON(c chunk) (raw []byte, duplicateKeys, err error) {
	switch {
	case !utf8.Valid(c.text):
		return nil, nil, errors.New("not UTF-8: expected YAML or JSON in UTF-8")
	case c.json:
		if err := json.Unmarshal(c.text, new(json.RawMessage)); err != nil {
			return nil, nil, newSyntaxError(c.text, err, fmt.Errorf("parse JSON: %w", err))
		}
		if mentionsPolicy(c.text) {
			duplicateKeys = duplicateKeysInJSON(c.text)
		}
		return c.text, duplicateKeys, nil
	case mentionsPolicy(c.text):
		raw, strict := yaml.YAMLToJSONStrict(c.text)
		if strict == nil {
			return raw, nil, nil
		}
		if raw, err = yaml.YAMLToJSON(c.text); err == nil {
			return raw, duplicateKeysInYAML(c.text, strict), nil
		}
	default:
		raw, err = yaml.YAMLToJSON(c.text)
	}
	if err != nil {
		return nil, nil, newSyntaxError(c.text, err, fmt.Errorf("parse YAML: %w", err))
	}
	return raw, nil, nil
}

// mentionsPolicy reports whether a text may hold a policy: it has the word, or escapes that may
// stand for it.
func mentionsPolicy(text []byte) bool {
	return bytes.Contains(bytes.ToLower(text), []byte("networkpolicy")) ||
		bytes.Contains(text, []byte(`\u`)) || bytes.Contains(text, []byte(`\U`)) ||
		bytes.Contains(text, []byte(`\x`))
}

// addProblem adds a problem of an object, whose name may be empty.
func (d *document) addProblem(object string, err error) {
	d.problems = append(d.problems, Problem{Object: object, Err: err})
}
