package manifests

import (
	"bytes"
	"encoding/json"
)

// chunk is the text of one document, a part of the content of a file.
type chunk struct {
	text []byte
	json bool // one JSON value; otherwise YAML
}

// split cuts the content of a file into its documents; those without content are left out. With
// onlyJSON the content is JSON values, one after the other; what follows the last well-formed one
// is the last chunk, which the decoder will refuse.
func split(data []byte, onlyJSON bool) []chunk {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a UTF-8 byte order mark
	if onlyJSON {
		values, rest := splitJSON(data)
		if len(rest) > 0 {
			values = append(values, chunk{text: rest, json: true})
		}
		return values
	}
	var all []chunk
	for _, text := range splitYAML(data) {
		all = append(all, splitDocument(text)...)
	}
	return all
}

// splitDocument cuts a YAML document that is JSON values into these, since JSON is parsed faster.
func splitDocument(text []byte) []chunk {
	if first := bytes.TrimLeft(text, " \t\r\n"); len(first) > 0 && first[0] == '{' {
		if values, rest := splitJSON(text); len(rest) == 0 {
			return values
		}
	}
	return []chunk{{text: text}}
}

// splitJSON returns the JSON values at the front. rest is what follows them.
func splitJSON(data []byte) (values []chunk, rest []byte) {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		from := d.InputOffset()
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return values, bytes.TrimSpace(data[from:])
		}
		values = append(values, chunk{text: raw, json: true})
	}
}

// splitYAML cuts a YAML stream at its markers ("---" and "..." at the start of a line: YAML
// allows neither inside of a document, not even in quoted text). A document keeps its own "---"
// line, which may hold content.
//
// The reader of k8s.io/apimachinery/pkg/util/yaml is not used because it loses documents: the one
// before a marker that has content, and all that follow "...", which it does not know, since the
// YAML parser stops after the first document without an error.
func splitYAML(data []byte) [][]byte {
	var all [][]byte
	start, content := 0, false
	cut := func(end, next int) {
		if content {
			all = append(all, data[start:end])
		}
		start, content = next, false
	}
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		switch {
		case isMarker(line, "---"):
			cut(at, at)
			content = hasContent(line[3:])
		case isMarker(line, "..."):
			cut(at, next)
		default:
			content = content || hasContent(line)
		}
		at = next
	}
	cut(len(data), len(data))
	return all
}

// lineAt returns the line that starts at an offset, and the offset of the next one. A carriage
// return alone ends a line too, as it does for the YAML parser.
func lineAt(data []byte, at int) (line []byte, next int) {
	if i := bytes.IndexAny(data[at:], "\r\n"); i >= 0 {
		return data[at : at+i], at + i + 1
	}
	return data[at:], len(data)
}

// isMarker reports whether a line is this document marker, alone or before a blank.
func isMarker(line []byte, marker string) bool {
	after, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(after) == 0 || after[0] == ' ' || after[0] == '\t')
}

// hasContent reports whether a line is more than blanks, a comment or a directive (%YAML, which
// has no effect here).
func hasContent(line []byte) bool {
	text := bytes.TrimLeft(line, " \t")
	return len(text) > 0 && text[0] != '#' && line[0] != '%'
}
