package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/sandbox"
)

// A table with more columns than maxColumns, or wider than the terminal (maxWidth if there is
// none), is divided.
const (
	maxColumns = 12
	maxWidth   = 120
	gap        = "  " // between columns
)

// column is a port of a pod, as everybody else tries it.
type column struct {
	pod  string
	port inspect.Port
}

// mark is the sign in a cell for one trial, or for all of them if they agree.
type mark struct {
	sign, meaning string
	colour        terminal.Colour
}

// The marks, in the order of the legend.
var (
	arrives   = mark{"✓", "arrives", terminal.Good}
	denied    = mark{"✗", "denied by the policies (it arrived without them)", terminal.Bad}
	gained    = mark{"+", "arrives only with the policies", terminal.Warning}
	never     = mark{"-", "does not arrive, without policies neither", terminal.Warning}
	stranger  = mark{"?", "somebody else answers", terminal.Warning}
	differing = mark{"!", "packets and rules disagree, see below", terminal.Warning}
	divided   = mark{"4 6", "IPv4 and IPv6 differ", terminal.Plain}
	itself    = mark{"·", "the pod itself", terminal.Plain}
	noFamily  = mark{"n/a", "no address family in common", terminal.Plain}

	marks = []mark{arrives, denied, gained, never, stranger, differing, divided, itself, noFamily}
)

// mark is the sign for the outcome of a trial.
func (t trial) mark() mark {
	switch {
	case t.after == sandbox.Stranger:
		return stranger
	case t.after == sandbox.Open && t.before == sandbox.Open:
		return arrives
	case t.after == sandbox.Open:
		return gained
	case t.before == sandbox.Open:
		return denied
	default:
		return never
	}
}

// cell is the text of a cell, its colour, and the marks that the text uses.
type cell struct {
	text   string
	colour terminal.Colour
	marks  []mark
}

// newCell sums up the trials of one pod at one port of another: "✓", or "4✓ 6✗" if the families
// differ. There is at least one trial, and at most one of each family.
func newCell(trials []trial) cell {
	var c cell
	var signs []string
	for _, t := range trials {
		signs = append(signs, c.add(t))
	}
	if c.text = signs[0]; len(slices.Compact(slices.Clone(signs))) > 1 {
		for i, t := range trials {
			signs[i] = fmt.Sprintf("%d%s", t.family(), signs[i])
		}
		c.text, c.marks = strings.Join(signs, " "), append(c.marks, divided)
	}
	return c
}

// add adds the marks of a trial to the cell, and returns their signs. The cell has the most urgent
// of their colours.
func (c *cell) add(t trial) (sign string) {
	m := t.mark()
	c.marks, c.colour = append(c.marks, m), max(c.colour, m.colour)
	if !t.differs() {
		return m.sign
	}
	c.marks, c.colour = append(c.marks, differing), terminal.Warning
	return m.sign + differing.sign
}

// grid is all cells of the report.
type grid struct {
	pods   []podPlan
	trials map[string]map[column][]trial // by the name of the sender and the column
	width  int                           // that a table may have
}

// grid lists the trials by their sender and destination.
func (r *report) grid() grid {
	// A report that goes to a file or pipe has no width of its own.
	g := grid{r.pods, map[string]map[column][]trial{}, cmp.Or(r.width, maxWidth)}
	for _, p := range r.pods {
		g.trials[p.Name] = map[column][]trial{}
	}
	for _, t := range r.trials {
		at := column{t.probe.To, t.port}
		g.trials[t.probe.From][at] = append(g.trials[t.probe.From][at], t)
	}
	return g
}

// cell returns the cell of a sender and a column. There is no trial where a pod would send to
// itself, or where the two pods have no address family in common.
func (g grid) cell(from string, at column) cell {
	trials := g.trials[from][at]
	switch {
	case from == at.pod:
		return cell{text: itself.sign, marks: []mark{itself}}
	case len(trials) == 0:
		return cell{text: noFamily.sign, marks: []mark{noFamily}}
	default:
		return newCell(trials)
	}
}

// writeTables writes a table, or several below each other with as many destinations each as fit,
// and returns the marks that they use.
func (r *report) writeTables(out *strings.Builder, p terminal.Palette) []mark {
	g := r.grid()
	var used []mark
	for _, t := range g.tables() {
		t.print(out, p)
		used = append(used, t.marks()...)
	}
	return used
}

// tables divides the columns between tables that fit. The columns of one pod stay together.
func (g grid) tables() []*table {
	var tables []*table
	var columns []column
	for _, pod := range g.pods {
		more := slices.Concat(columns, columnsOf(pod))
		// A pod that is too wide even alone has a table of its own.
		if len(columns) > 0 && !newTable(g, more).fits(g.width) {
			tables = append(tables, newTable(g, columns))
			more = columnsOf(pod)
		}
		columns = more
	}
	if len(columns) > 0 {
		tables = append(tables, newTable(g, columns))
	}
	return tables
}

// columnsOf returns a column for each port that a pod serves.
func columnsOf(pod podPlan) []column {
	var columns []column
	for _, port := range pod.ports {
		columns = append(columns, column{pod.Name, port})
	}
	return columns
}

// legend explains the marks that were used.
func legend(used []mark, p terminal.Palette, width int) string {
	var texts []string
	// The order is that of marks, not that of the tables.
	for _, m := range marks {
		if slices.Contains(used, m) {
			texts = append(texts, p.Paint(m.colour, m.sign)+" "+m.meaning)
		}
	}
	return terminal.Lines{Width: width, Between: "    "}.Fill(texts) + "\n\n"
}
