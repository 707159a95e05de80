package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// terminalWidth is how many columns a terminal has; 0 where the output is no terminal, or its width
// is not known.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// fold breaks a line between words so that it fits a width, if it is not 0. The lines that follow
// the first are indented. A word that is longer than a line stays whole.
func fold(line string, to int, indent string) string {
	if to == 0 || width(line) <= to {
		return line
	}
	return pack(strings.Split(line, " "), packing{to: to, between: " ", indent: indent})
}

// width is how many columns a text takes: escape sequences, which colour it, take none.
func width(text string) int {
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

// packing is how things are put on lines.
type packing struct {
	to              int    // columns of a line; 0: all on one
	between, indent string // what parts things, and what lines after the first begin with
}

// pack puts things on as few lines as hold them.
func pack(things []string, p packing) string {
	var text strings.Builder
	column := 0
	for i, thing := range things {
		switch {
		case i == 0:
		case p.to > 0 && column+len(p.between)+width(thing) > p.to:
			text.WriteString("\n" + p.indent)
			column = len(p.indent)
		default:
			text.WriteString(p.between)
			column += len(p.between)
		}
		text.WriteString(thing)
		column += width(thing)
	}
	return text.String()
}
