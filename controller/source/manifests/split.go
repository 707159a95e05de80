package manifests

import (
	"bytes"
	"encoding/json"
)

// chunk is the text of one document: a piece of the file's bytes.
type chunk struct {
	text []byte
	json bool // one JSON value; otherwise YAML
}

// split cuts a file into its documents; those without content are left out.
// With onlyJSON the file is JSON values, one after the other; what follows the
// last well-formed one is the last chunk, for the decoder to complain about.
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
		all = append(all, refine(text)...)
	}
	return all
}

// refine takes the fast path for a YAML document that is JSON, or a run of JSON.
func refine(text []byte) []chunk {
	if first := bytes.TrimLeft(text, " \t\r\n"); len(first) > 0 && first[0] == '{' {
		if values, rest := splitJSON(text); len(rest) == 0 {
			return values
		}
	}
	return []chunk{{text: text}}
}

// splitJSON takes JSON values off the front; rest is what is none.
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

// splitYAML cuts a YAML stream at its markers ("---" and "..." at the start of a
// line: YAML allows neither inside of a document, quoted text included). A
// document keeps its own "---" line, which may hold content.
//
// The reader of k8s.io/apimachinery/pkg/util/yaml is not used here because it
// loses documents: the one before a marker that carries content, and, with any
// reader that does not know "...", all that follows it, since the YAML parser
// stops after the first document in silence.
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
		case marks(line, "---"):
			cut(at, at)
			content = hasContent(line[3:])
		case marks(line, "..."):
			cut(at, next)
		default:
			content = content || hasContent(line)
		}
		at = next
	}
	cut(len(data), len(data))
	return all
}

// lineAt is the line that starts at an offset and the offset of the next one. A
// carriage return alone ends a line too, as it does for the YAML parser.
func lineAt(data []byte, at int) (line []byte, next int) {
	if i := bytes.IndexAny(data[at:], "\r\n"); i >= 0 {
		return data[at : at+i], at + i + 1
	}
	return data[at:], len(data)
}

// marks says whether a line is this document marker, alone or before a blank.
func marks(line []byte, marker string) bool {
	after, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(after) == 0 || after[0] == ' ' || after[0] == '\t')
}

// hasContent says whether a line is more than blank, a comment or a directive
// (%YAML; without effect here).
func hasContent(line []byte) bool {
	text := bytes.TrimLeft(line, " \t")
	return len(text) > 0 && text[0] != '#' && line[0] != '%'
}
