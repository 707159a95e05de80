package terminal

import (
	"strings"
	"testing"
)

// Lines are broken between words, and long words stay whole.
func TestFold(t *testing.T) {
	for _, row := range []struct {
		line  string
		width int
		want  string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\n  three"},
		{"one two three", 3, "one\n  two\n  three"},
		{"with:   a b", 9, "with:   a\n  b"},
		{"\x1b[32mgreen\x1b[0m words", 11, "\x1b[32mgreen\x1b[0m words"},
		{"", 5, ""},
	} {
		if got := Fold(row.line, row.width, "  "); got != row.want {
			t.Errorf("%q to %d: %q", row.line, row.width, got)
		}
	}
}

// A row fits the width, or its cells get lines of their own; only a word alone can be wider.
func TestTableFitsTheWidth(t *testing.T) {
	table := Table{Header: []string{"NAME", "PODS"}, Right: []bool{false, true}, Rows: [][]string{
		{"a/short", "12"}, {"a-long-namespace/a-long-name -> b/other", "1"},
	}}
	for width, want := range map[int]string{
		0: `NAME                                     PODS
a/short                                  12
a-long-namespace/a-long-name -> b/other  1
`,
		44: `NAME
    PODS
a/short                                  12
a-long-namespace/a-long-name -> b/other  1
`,
		36: `NAME
    PODS
a/short
    12
a-long-namespace/a-long-name ->
    b/other
    1
`,
	} {
		var out strings.Builder
		if table.Print(&out, width); out.String() != want {
			t.Errorf("%d columns:\n%swant:\n%s", width, out.String(), want)
		}
	}
}
