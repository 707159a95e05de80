package listing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference lists the first lines that only one of two texts has, sorted so that a changed line
// stands beside what it was.
func Difference(before, after string) string {
	had, has := lineSet(before), lineSet(after)
	var lines []string
	for line := range maps.Keys(had) {
		if !has[line] {
			lines = append(lines, "- "+line)
		}
	}
	for line := range maps.Keys(has) {
		if !had[line] {
			lines = append(lines, "+ "+line)
		}
	}
	slices.SortFunc(lines,
		func(a, b string) int { return strings.Compare(a[1:]+a[:1], b[1:]+b[:1]) })
	return Abridged(lines)
}

// Abridged joins the first lines, and says how many more there are.
func Abridged(lines []string) string {
	const most, longest = 6, 200
	var text strings.Builder
	for i, line := range lines {
		if i == most {
			fmt.Fprintf(&text, "and %d more lines\n", len(lines)-most)
			break
		}
		if line = strings.TrimSpace(line); len(line) > longest {
			line = line[:longest] + "..."
		}
		text.WriteString(line + "\n")
	}
	return text.String()
}

func lineSet(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}
