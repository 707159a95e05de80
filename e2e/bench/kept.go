package main

import "strings"

// parts is a BENCH.md in parts, those of each section by its title.
type parts struct {
	preface  string // with the head of the table of targets
	targets  map[string]string
	misses   map[string]string
	chapters map[string]string
}

// parsePage takes the text of a report apart.
func parsePage(text string) parts {
	p := parts{targets: map[string]string{}, misses: map[string]string{}, chapters: map[string]string{}}
	pieces := strings.Split(text, "\n## ")
	for line := range strings.Lines(pieces[0]) {
		title := titleOf(line)
		switch {
		case title == "":
			p.preface += line
		case strings.HasPrefix(line, "|"):
			p.targets[title] += line
		default:
			p.misses[title] += line
		}
	}
	for _, chapter := range pieces[1:] {
		title, _, _ := strings.Cut(chapter, "\n")
		p.chapters[title] = strings.TrimRight(chapter, "\n") + "\n"
	}
	// The sentence that is about the lines below it is written again with them.
	p.preface, _, _ = strings.Cut(p.preface, missesHead)
	return p
}

// titleOf is of which section a line of the first part is: empty, if it is of none.
func titleOf(line string) string {
	for _, s := range sections() {
		if strings.HasPrefix(line, "| "+s.title+" | ") || strings.HasPrefix(line, "- "+s.title+", ") {
			return s.title
		}
	}
	return ""
}

// onto returns the report with the chapters of an earlier one that it has none of.
func (b report) onto(earlier string) string {
	now, before := parsePage(b.markdown()), parsePage(earlier)
	var targets, misses, chapters strings.Builder
	for _, s := range sections() {
		from := before
		if now.chapters[s.title] != "" {
			from = now
		}
		targets.WriteString(from.targets[s.title])
		misses.WriteString(from.misses[s.title])
		if text := from.chapters[s.title]; text != "" {
			chapters.WriteString("\n## " + text)
		}
	}
	head := ""
	if misses.Len() > 0 {
		head = missesHead
	}
	return now.preface + targets.String() + head + misses.String() + chapters.String()
}
