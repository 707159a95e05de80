package sandbox

import (
	"strings"

	"github.com/picket-project/picket/cmd/cli/terminal"
)

// table is a table whose widths are known:
//
//	                      to  kube-system     shop            a header line for each level:
//	                          dns             backend         namespace, pod, port; what spans
//	from                  on  tcp/53  udp/53  tcp/8080        several columns is written once
//	shop/frontend-1   node-1  ✓       ✓       ✓
type table struct {
	labels  [][2]string // of the rows: pod and node
	columns []column
	cells   [][]cell
	widths  []int // of the two labels, then of the columns
}

// newTable makes a table with all pods as rows and with some of the columns, and measures it.
func newTable(g grid, columns []column) *table {
	t := &table{columns: columns, labels: [][2]string{{"from", "on"}}}
	for _, row := range g.pods {
		t.labels = append(t.labels, [2]string{row.Name, row.Node})
		var cells []cell
		for _, c := range columns {
			cells = append(cells, g.cell(row.Name, c))
		}
		t.cells = append(t.cells, cells)
	}
	t.measure()
	return t
}

// measure finds the widths: first for what stands in one column, then for headers that span
// several, which widen the last of them.
func (t *table) measure() {
	t.widths = make([]int, 2+len(t.columns))
	for _, label := range t.labels {
		for i, text := range label {
			t.widths[i] = max(t.widths[i], terminal.Columns(text))
		}
	}
	for i, c := range t.columns {
		t.widths[2+i] = terminal.Columns(c.port.String())
		for _, row := range t.cells {
			t.widths[2+i] = max(t.widths[2+i], terminal.Columns(row[i].text))
		}
	}
	// The columns have their widths by now, so a header widens them only by what it lacks.
	for _, level := range levels {
		for _, s := range t.spans(level) {
			t.widths[2+s.end-1] += max(0, terminal.Columns(s.text)-t.spanWidth(s))
		}
	}
}

// level is a line of the header above the ports. It says what the line writes over a column, and
// what neighbours must have in common for it to be written once.
type level struct{ text, same func(column) string }

// levels are the lines of the header above the ports, from the top down. Names are written once for
// each pod: in two namespaces the same name is two pods.
var levels = []level{
	{text: column.namespace, same: column.namespace},
	{text: column.name, same: func(c column) string { return c.pod }},
}

// namespace is the first part of the pod's full name.
func (c column) namespace() string {
	namespace, _, _ := strings.Cut(c.pod, "/")
	return namespace
}

// name is the second part of the pod's full name.
func (c column) name() string {
	_, name, _ := strings.Cut(c.pod, "/")
	return name
}

// span is a header over the columns from start up to, but not including, end.
type span struct {
	text       string
	start, end int
}

// spans returns the headers of a level: one for each run of neighbours that have the same.
func (t *table) spans(of level) []span {
	var spans []span
	for i, c := range t.columns {
		if last := len(spans) - 1; i > 0 && of.same(c) == of.same(t.columns[i-1]) {
			spans[last].end = i + 1
		} else {
			spans = append(spans, span{of.text(c), i, i + 1})
		}
	}
	return spans
}

// spanWidth is the width of the columns below a header, with the gaps between them.
func (t *table) spanWidth(s span) int { return total(t.widths[2+s.start : 2+s.end]) }

// total is the width of columns with the gaps between them.
func total(widths []int) int {
	sum := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// fits reports whether the table has no more columns than can be read, and is no wider than width.
func (t *table) fits(width int) bool {
	return len(t.columns) <= maxColumns && total(t.widths) <= width
}

// marks are all marks in the cells.
func (t *table) marks() []mark {
	var used []mark
	for _, row := range t.cells {
		for _, c := range row {
			used = append(used, c.marks...)
		}
	}
	return used
}

// print writes the header, a line for each sender, and an empty line.
func (t *table) print(out *strings.Builder, p terminal.Palette) {
	t.printHeader(out)
	for i, row := range t.cells {
		line := t.label(1 + i)
		for j, c := range row {
			// Pad does not count the escape sequences of colours.
			line = append(line, terminal.Pad(p.Paint(c.colour, c.text), t.widths[2+j]))
		}
		writeLine(out, line)
	}
	out.WriteString("\n")
}

// printHeader writes a line for each level, and then the line of the ports, which has the titles of
// the row labels.
func (t *table) printHeader(out *strings.Builder) {
	margin := total(t.widths[:2])
	for i, level := range levels {
		line := []string{terminal.Pad("", margin)}
		// The first line says that the columns are destinations.
		if i == 0 {
			line[0] = terminal.Pad("", margin-len("to")) + "to"
		}
		for _, s := range t.spans(level) {
			line = append(line, terminal.Pad(s.text, t.spanWidth(s)))
		}
		writeLine(out, line)
	}
	ports := t.label(0)
	for i, c := range t.columns {
		ports = append(ports, terminal.Pad(c.port.String(), t.widths[2+i]))
	}
	writeLine(out, ports)
}

// label is the beginning of a row: the pod and its node.
func (t *table) label(row int) []string {
	return []string{
		terminal.Pad(t.labels[row][0], t.widths[0]), terminal.Pad(t.labels[row][1], t.widths[1]),
	}
}

// writeLine writes cells with gaps between them. Blanks at the end of the line are left out.
func writeLine(out *strings.Builder, cells []string) {
	out.WriteString(strings.TrimRight(strings.Join(cells, gap), " ") + "\n")
}
