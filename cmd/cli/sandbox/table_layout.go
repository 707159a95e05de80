package cli

import (
	"strings"
)

// layout is a table with its widths known:
//
//	                      to  kube-system     shop            a header line per level: namespace, pod, port;
//	                          dns             backend         what spans several columns is written once
//	from                  on  tcp/53  udp/53  tcp/8080
//	shop/frontend-1   node-1  ✓       ✓       ✓
type layout struct {
	labels  [][2]string // of the rows: pod and node
	columns []column
	cells   [][]cell
	widths  []int // of the two labels, then of the columns
}

func newLayout(g grid, columns []column) *layout {
	l := &layout{columns: columns, labels: [][2]string{{"from", "on"}}}
	for _, row := range g.pods {
		l.labels = append(l.labels, [2]string{row.name, row.node})
		var cells []cell
		for _, c := range columns {
			cells = append(cells, g.cell(row.name, c))
		}
		l.cells = append(l.cells, cells)
	}
	l.measure()
	return l
}

// measure finds the widths: first for what stands in one column, then for headers that span several, which
// widen the last of them.
func (l *layout) measure() {
	l.widths = make([]int, 2+len(l.columns))
	for _, label := range l.labels {
		for i, text := range label {
			l.widths[i] = max(l.widths[i], width(text))
		}
	}
	for i, c := range l.columns {
		l.widths[2+i] = width(c.door.String())
		for _, row := range l.cells {
			l.widths[2+i] = max(l.widths[2+i], width(row[i].text))
		}
	}
	for _, level := range levels {
		for _, s := range l.spans(level) {
			l.widths[2+s.end-1] += max(0, width(s.text)-l.spanWidth(s))
		}
	}
}

// level is a line of the header above the ports: what it writes, and what has to be the same in neighbours for
// it to be written once.
type level struct{ text, same func(column) string }

var levels = []level{
	{text: column.namespace, same: column.namespace},
	{text: column.name, same: func(c column) string { return c.pod }},
}

func (c column) namespace() string {
	namespace, _, _ := strings.Cut(c.pod, "/")
	return namespace
}

func (c column) name() string {
	_, name, _ := strings.Cut(c.pod, "/")
	return name
}

// span is a header over the columns from start up to, without, end.
type span struct {
	text       string
	start, end int
}

func (l *layout) spans(of level) []span {
	var spans []span
	for i, c := range l.columns {
		if last := len(spans) - 1; i > 0 && of.same(c) == of.same(l.columns[i-1]) {
			spans[last].end = i + 1
		} else {
			spans = append(spans, span{of.text(c), i, i + 1})
		}
	}
	return spans
}

func (l *layout) spanWidth(s span) int { return total(l.widths[2+s.start : 2+s.end]) }

// total is the width of columns with the gaps between them.
func total(widths []int) int {
	sum := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

func (l *layout) fits(to int) bool { return len(l.columns) <= maxColumns && total(l.widths) <= to }

func (l *layout) used() []mark {
	var used []mark
	for _, row := range l.cells {
		for _, c := range row {
			used = append(used, c.marks...)
		}
	}
	return used
}

func (l *layout) print(out *strings.Builder, p palette) {
	l.printHeader(out)
	for i, row := range l.cells {
		line := l.label(1 + i)
		for j, c := range row {
			line = append(line, p.paint(c.colour, c.text)+pad("", l.widths[2+j]-width(c.text)))
		}
		writeLine(out, line)
	}
	out.WriteString("\n")
}

func (l *layout) printHeader(out *strings.Builder) {
	margin := total(l.widths[:2])
	for i, level := range levels {
		line := []string{pad("", margin)}
		if i == 0 {
			line[0] = pad("", margin-len("to")) + "to"
		}
		for _, s := range l.spans(level) {
			line = append(line, pad(s.text, l.spanWidth(s)))
		}
		writeLine(out, line)
	}
	ports := l.label(0)
	for i, c := range l.columns {
		ports = append(ports, pad(c.door.String(), l.widths[2+i]))
	}
	writeLine(out, ports)
}

func (l *layout) label(row int) []string {
	return []string{pad(l.labels[row][0], l.widths[0]), pad(l.labels[row][1], l.widths[1])}
}

func writeLine(out *strings.Builder, cells []string) {
	out.WriteString(strings.TrimRight(strings.Join(cells, gap), " ") + "\n")
}
