package terminal

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean shows what a terminal would obey instead of printing it, as \x1b: what agents, files and
// clusters say must not move the cursor, nor change the order of letters. Newlines, tabs and, where
// the palette has colours, its own escape sequences stay.
func (p Palette) Clean(text string) string {
	if !strings.ContainsFunc(text, isUnsafe) {
		return text
	}
	var clean strings.Builder
	for len(text) > 0 {
		if n := p.escapeAt(text); n > 0 {
			clean.WriteString(text[:n])
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		clean.WriteString(shown(r, text[:n]))
		text = text[n:]
	}
	return clean.String()
}

// Clean is that of output without colours.
func Clean(text string) string { return Palette(false).Clean(text) }

// isUnsafe reports whether a terminal may do something else with a character than show it. Bytes
// that are no UTF-8 are control characters of terminals of 8 bits.
func isUnsafe(r rune) bool {
	return r == utf8.RuneError || r != '\n' && r != '\t' && (unicode.IsControl(r) ||
		unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}

// escapeAt is how long the palette's own sequence is that a text begins with; 0: there is none.
func (p Palette) escapeAt(text string) int {
	if !p {
		return 0
	}
	for _, own := range slices.Concat(escapes[:], []string{plain}) {
		if own != "" && strings.HasPrefix(text, own) {
			return len(own)
		}
	}
	return 0
}

// shown is a character as it is shown; raw is how it is encoded.
func shown(r rune, raw string) string {
	switch {
	case !isUnsafe(r) || r == utf8.RuneError && len(raw) > 1:
		return raw
	case r == utf8.RuneError || r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, raw[0])
	default:
		return fmt.Sprintf(`\u%04x`, r)
	}
}
