package terminal

import (
	"os"
	"strings"
)

// UTF8 reports whether the locale has UTF-8 (POSIX: the first of these variables that is set).
func UTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ReplaceAll(strings.ToLower(value), "-", "")
			return strings.Contains(value, "utf8")
		}
	}
	return false
}

// Table is rows of cells. The last column takes what is left of the width, and is folded.
type Table struct {
	Header []string
	Rows   [][]string
	Right  []bool // columns of numbers, which end at the same place
}

const (
	columnGap = "  "
	leastLast = 20 // columns that the last cell has at least; where fewer are left, it gets a line
)

// Print writes the table so that it fits a width, unless that is 0.
func (t Table) Print(out *strings.Builder, width int) {
	rows := t.Rows
	if t.Header != nil {
		rows = append([][]string{t.Header}, rows...)
	}
	widths := t.widths(rows)
	for _, row := range rows {
		t.printRow(out, row, widths, width)
	}
}

// widths returns how wide the columns are, but for the last one.
func (t Table) widths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Columns(cell))
		}
	}
	return widths
}

// printRow writes a row on as many lines as its last cell needs.
func (t Table) printRow(out *strings.Builder, row []string, widths []int, width int) {
	line := ""
	for i, cell := range row[:len(row)-1] {
		// Numbers end at the same place, so that they can be compared.
		if i < len(t.Right) && t.Right[i] {
			line += strings.Repeat(" ", widths[i]-Columns(cell)) + cell + columnGap
		} else {
			line += Pad(cell, widths[i]) + columnGap
		}
	}
	last, left := row[len(row)-1], width-Columns(line)
	indent := strings.Repeat(" ", Columns(line))
	// Where little is left of the line, the last cell gets lines of its own.
	if width > 0 && left < leastLast && Columns(last) > left {
		first := strings.TrimRight(line, " ")
		if Columns(first) > width {
			first = foldAt(strings.Join(strings.Fields(first), " "), width, "    ")
		}
		out.WriteString(first + "\n")
		line, indent = "    ", "    "
	}
	out.WriteString(strings.TrimRight(line+foldAt(last, width, indent), " ") + "\n")
}

// foldAt breaks a text that starts behind an indent.
func foldAt(text string, width int, indent string) string {
	if width == 0 {
		return text
	}
	full := Lines{Width: width - Columns(indent), Between: " "}.Fill(strings.Split(text, " "))
	return strings.ReplaceAll(full, "\n", "\n"+indent)
}
