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

// digest identifies the text of a document. It is cryptographic because what
// decides whether a policy is read again must not be open to collisions.
type digest [sha256.Size]byte

// document is what one document of a file states. It holds no place, so that it
// can be used again where the same text turns up elsewhere in the file.
type document struct {
	digest   digest
	entries  []entry
	problems []Problem // without File and Document
	skipped  int
	repeats  error // a key that is stated twice, where that can be a policy's
	parser         // how it is read
}

// parser is how files are read.
type parser struct {
	onlyJSON  bool
	workloads bool // objects that make pods are kept
}

// parse reads all documents of a file. Those whose text is among the known ones
// are taken over instead of being parsed again, objects and all.
func (p parser) parse(data []byte, known []document) []document {
	have := make(map[digest]document, len(known))
	for _, d := range known {
		have[d.digest] = d
	}
	var all []document
	for _, c := range split(data, p.onlyJSON) {
		sum := digest(sha256.Sum256(c.text))
		d, ok := have[sum]
		if !ok {
			d = p.parseDocument(c)
			d.digest = sum
		}
		all = append(all, d)
	}
	return all
}

// parseDocument never panics: the parsers are other people's and the bytes are
// anybody's, and one document must not take the firewall down.
func (p parser) parseDocument(c chunk) (d document) {
	defer func() {
		if r := recover(); r != nil {
			d = document{problems: []Problem{{Err: fmt.Errorf("parse: %v", r)}}}
		}
	}()
	d.parser = p
	raw, repeats, err := toJSON(c)
	if err != nil {
		d.fail("", err)
		return d
	}
	if string(raw) != "null" {
		d.repeats = repeats
		d.decode(raw, metav1.TypeMeta{}, place{})
		d.lost()
	}
	return d
}

// lost complains of a document in which a policy may be lost: a key is stated twice, and what is
// left holds no policy that could be closed for it.
func (d *document) lost() {
	if d.repeats != nil && len(d.problems) == 0 {
		d.fail("", fmt.Errorf("%w; a policy may be lost", d.repeats))
	}
}

// toJSON also says whether a document with a policy states a key twice. One that does not is read
// once only: of a policy of a megabyte that is half of all the time until it counts.
func toJSON(c chunk) (raw []byte, repeats, err error) {
	switch {
	case !utf8.Valid(c.text):
		return nil, nil, errors.New("not UTF-8: expected YAML or JSON in UTF-8")
	case c.json:
		if err := json.Unmarshal(c.text, new(json.RawMessage)); err != nil {
			return nil, nil, fmt.Errorf("parse JSON: %w", err)
		}
		if mentionsPolicy(c.text) {
			repeats = repeatedInJSON(c.text)
		}
		return c.text, repeats, nil
	case mentionsPolicy(c.text):
		raw, strict := yaml.YAMLToJSONStrict(c.text)
		if strict == nil {
			return raw, nil, nil
		}
		if raw, err = yaml.YAMLToJSON(c.text); err == nil {
			return raw, repeatedInYAML(c.text, strict), nil
		}
	default:
		raw, err = yaml.YAMLToJSON(c.text)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("parse YAML: %w", err)
	}
	return raw, nil, nil
}

// mentionsPolicy says whether a text can hold a policy: it says so, or escapes may say so.
func mentionsPolicy(text []byte) bool {
	return bytes.Contains(bytes.ToLower(text), []byte("networkpolicy")) ||
		bytes.Contains(text, []byte(`\u`)) || bytes.Contains(text, []byte(`\U`)) ||
		bytes.Contains(text, []byte(`\x`))
}

func (d *document) fail(what string, err error) {
	d.problems = append(d.problems, Problem{Object: what, Err: err})
}
