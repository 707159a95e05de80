package manifests

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		json       bool
		want       []string
	}{
		{"one", "a: 1\n", false, []string{"a: 1\n"}},
		{"two", "a: 1\n---\nb: 2", false, []string{"a: 1\n", "---\nb: 2"}},
		{"empty ones", "---\n---\n\n---\na: 1\n---\n", false, []string{"---\na: 1\n"}},
		{"comments and directives", "# c\n%YAML 1.1\n---\n# d\na: 1\n", false,
			[]string{"---\n# d\na: 1\n"}},
		{"content on the marker", "--- {a: 1}\n--- # c\nb: 2\n---\tc: 3\n", false,
			[]string{"--- {a: 1}\n", "--- # c\nb: 2\n", "---\tc: 3\n"}},
		{"end marker", "a: 1\n...\nb: 2\n...\n---\nc: 3\n", false,
			[]string{"a: 1\n", "b: 2\n", "---\nc: 3\n"}},
		{"no markers", "a: ---\n---b: 1\n ---\n", false, []string{"a: ---\n---b: 1\n ---\n"}},
		{"carriage returns", "a: 1\r---\rb: 2\r\n---\r\nc: 3", false,
			[]string{"a: 1\r", "---\rb: 2\r\n", "---\r\nc: 3"}},
		{"JSON in YAML", "{\"a\":1}\n{\"b\":2}\n---\n{a: 1}", false,
			[]string{`{"a":1}`, `{"b":2}`, "---\n{a: 1}"}},
		{"JSON", " {\"a\":1}\n[2] x {", true, []string{`{"a":1}`, `[2]`, "x {"}},
		{"JSON with a YAML marker", "{}\n---\n{}", true, []string{"{}", "---\n{}"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, c := range split([]byte(tc.text), tc.json) {
				got = append(got, string(c.text))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
