package terminal

import "testing"

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
