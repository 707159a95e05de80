package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// A table with more columns than maxColumns, or wider than the terminal (maxWidth where there is
// none), is divided.
const (
	maxColumns = 12
	maxWidth   = 120
	gap        = "  " // between columns
)

// column is a port of a pod, as everybody else tries it.
type column struct {
	pod  string
	door door
}

// mark is what stands in a cell for one trial, or for all of them where they agree.
type mark struct {
	sign, meaning string
	colour        colour
}

// The marks, in the order of the legend.
var (
	arrives   = mark{"✓", "arrives", good}
	denied    = mark{"✗", "denied by the policies (it arrived without them)", bad}
	gained    = mark{"+", "arrives only with the policies", warning}
	never     = mark{"-", "does not arrive, without policies neither", warning}
	stranger  = mark{"?", "somebody else answers", warning}
	differing = mark{"!", "packets and rules disagree, see below", warning}
	split     = mark{"4 6", "IPv4 and IPv6 differ", plain}
	itself    = mark{"·", "the pod itself", plain}
	apart     = mark{"n/a", "no address family in common", plain}

	marks = []mark{arrives, denied, gained, never, stranger, differing, split, itself, apart}
)

// mark says what became of a trial.
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

// cell is the text of a cell, its colour, and the marks that it uses.
type cell struct {
	text   string
	colour colour
	marks  []mark
}

// newCell sums up the trials of one pod at one port of another: "✓", or "4✓ 6✗" where the families differ.
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
		c.text, c.marks = strings.Join(signs, " "), append(c.marks, split)
	}
	return c
}

// add notes the marks of a trial and returns them.
func (c *cell) add(t trial) (sign string) {
	m := t.mark()
	c.marks, c.colour = append(c.marks, m), max(c.colour, m.colour)
	if !t.differs() {
		return m.sign
	}
	c.marks, c.colour = append(c.marks, differing), warning
	return m.sign + differing.sign
}

// grid is all cells.
type grid struct {
	pods   []resident
	trials map[string]map[column][]trial // by source and column
	width  int                           // that a table may have
}

func (r *report) grid() grid {
	g := grid{r.pods, map[string]map[column][]trial{}, cmp.Or(r.width, maxWidth)}
	for _, p := range r.pods {
		g.trials[p.name] = map[column][]trial{}
	}
	for _, t := range r.trials {
		at := column{t.probe.To, t.door}
		g.trials[t.probe.From][at] = append(g.trials[t.probe.From][at], t)
	}
	return g
}

func (g grid) cell(from string, at column) cell {
	trials := g.trials[from][at]
	switch {
	case from == at.pod:
		return cell{text: itself.sign, marks: []mark{itself}}
	case len(trials) == 0:
		return cell{text: apart.sign, marks: []mark{apart}}
	default:
		return newCell(trials)
	}
}

// tables writes a table, or several below each other, each with as many destinations as fit, and returns the
// marks that they use.
func (r *report) tables(out *strings.Builder, p palette) []mark {
	g := r.grid()
	var used []mark
	for _, part := range g.parts() {
		part.print(out, p)
		used = append(used, part.used()...)
	}
	return used
}

// parts divides the columns between tables that fit. Those of one pod stay together.
func (g grid) parts() []*layout {
	var parts []*layout
	var part []column
	for _, pod := range g.pods {
		more := slices.Concat(part, columnsOf(pod))
		if len(part) > 0 && !newLayout(g, more).fits(g.width) {
			parts = append(parts, newLayout(g, part))
			more = columnsOf(pod)
		}
		part = more
	}
	if len(part) > 0 {
		parts = append(parts, newLayout(g, part))
	}
	return parts
}

func columnsOf(pod resident) []column {
	var columns []column
	for _, d := range pod.doors {
		columns = append(columns, column{pod.name, d})
	}
	return columns
}

// legend explains the marks that were used.
func legend(used []mark, p palette, to int) string {
	var lines []string
	for _, m := range marks {
		if slices.Contains(used, m) {
			lines = append(lines, p.paint(m.colour, m.sign)+" "+m.meaning)
		}
	}
	return pack(lines, packing{to: to, between: "    "}) + "\n\n"
}

// colour is how text stands out on a terminal. The zero value is not at all; of two, the higher one is seen.
type colour uint8

const (
	plain colour = iota
	good
	bad
	warning
)

// palette says whether there are colours.
type palette bool

func (p palette) paint(c colour, text string) string {
	if !p || c == plain {
		return text
	}
	return [...]string{good: "\x1b[32m", bad: "\x1b[31m", warning: "\x1b[1;33m"}[c] + text + "\x1b[0m"
}

// isTerminal reports whether colours can be seen and are wanted (https://no-color.org).
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// pad fills a text up with spaces.
func pad(text string, to int) string { return text + strings.Repeat(" ", max(0, to-width(text))) }
