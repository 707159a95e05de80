package terminal

import "testing"

// Whatever a terminal would obey is shown, and all that people write stays.
func TestClean(t *testing.T) {
	for _, row := range []struct{ text, plain, coloured string }{
		{"shop/web → ok\n\tαβγ 日本 \ufffd", "shop/web → ok\n\tαβγ 日本 \ufffd", ""},
		{"\x1b[31mno\x1b[0m", `\x1b[31mno\x1b[0m`, "\x1b[31mno\x1b[0m"},
		{"\x1b[1;33m!\x1b[0m\x1b[2J", `\x1b[1;33m!\x1b[0m\x1b[2J`, "\x1b[1;33m!\x1b[0m" + `\x1b[2J`},
		{"\x1b[3\x1b[32m1m", `\x1b[3\x1b[32m1m`, `\x1b[3` + "\x1b[32m1m"},
		{"\x1b]0;title\a", `\x1b]0;title\x07`, ""},
		{"DENIED\rALLOWED\b\x7f\x00", `DENIED\x0dALLOWED\x08\x7f\x00`, ""},
		{"8-bit \x9b2J", `8-bit \x9b2J`, ""},
		{"C1 \u009b2J", `C1 \u009b2J`, ""},
		{"order \u202egnp\u2066 \u200b\u2028", `order \u202egnp\u2066 \u200b\u2028`, ""},
	} {
		if row.coloured == "" {
			row.coloured = row.plain
		}
		if got := Clean(row.text); got != row.plain {
			t.Errorf("%q: %q", row.text, got)
		}
		if got := Palette(true).Clean(row.text); got != row.coloured {
			t.Errorf("%q in colours: %q; expected %q", row.text, got, row.coloured)
		}
	}
}
