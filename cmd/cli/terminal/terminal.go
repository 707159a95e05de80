// Package terminal knows how wide the output may be and whether it may have colours, and breaks
// text so that it fits.
package terminal

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Width is how many columns a terminal has; 0 if the output is no terminal or its width is not
// known.
func Width(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// Coloured reports whether colours can be seen and are wanted (https://no-color.org).
func Coloured(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	return term.IsTerminal(int(file.Fd()))
}

// Fold breaks a line between words so that it fits a width, unless that is 0. The lines that follow
// the first are indented. A word that is longer than a line stays whole.
func Fold(line string, width int, indent string) string {
	if width == 0 || Columns(line) <= width {
		return line
	}
	return Lines{Width: width, Between: " ", Indent: indent}.Fill(strings.Split(line, " "))
}

// Columns is how many columns a text takes. The escape sequences of colours take none.
func Columns(text string) int {
	columns, escaped := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		default:
			columns++
		}
	}
	return columns
}

// Pad fills a text up with spaces.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-Columns(text)))
}

// Lines says how Fill puts texts on lines.
type Lines struct {
	Width   int    // columns of a line; 0: one line has no end
	Between string // what stands between two texts of a line
	Indent  string // what lines after the first begin with
}

// Fill puts texts on as few lines as hold them.
func (l Lines) Fill(texts []string) string {
	var filled strings.Builder
	column := 0
	for i, text := range texts {
		switch {
		case i == 0:
		case l.Width > 0 && column+len(l.Between)+Columns(text) > l.Width:
			filled.WriteString("\n" + l.Indent)
			column = len(l.Indent)
		default:
			filled.WriteString(l.Between)
			column += len(l.Between)
		}
		filled.WriteString(text)
		column += Columns(text)
	}
	return filled.String()
}

// Colour is how text stands out. The zero value is not at all; where several meet, the highest is
// to be seen.
type Colour uint8

// The colours.
const (
	Plain Colour = iota
	Good
	Bad
	Warning
)

// escapes are the sequences that switch colours on.
var escapes = [...]string{Good: "\x1b[32m", Bad: "\x1b[31m", Warning: "\x1b[1;33m"}

// plain is the sequence that switches them off.
const plain = "\x1b[0m"

// Palette says whether there are colours.
type Palette bool

// Paint colours a text.
func (p Palette) Paint(c Colour, text string) string {
	if !p || c == Plain {
		return text
	}
	return escapes[c] + text + plain
}
