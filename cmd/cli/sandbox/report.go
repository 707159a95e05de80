package sandbox

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/sandbox"
)

// report is what a run found out.
type report struct {
	*plan
	trials   []trial
	warnings []string // what the agents say of anything but policies, one a line
	width    int      // of the terminal; 0: there is none
}

// count is how many trials have a property.
func (r *report) count(has func(trial) bool) int {
	n := 0
	for _, t := range r.trials {
		if has(t) {
			n++
		}
	}
	return n
}

// arrivedBefore counts the probes that their pod answered without policies.
func (r *report) arrivedBefore() int {
	return r.count(func(t trial) bool { return t.before == sandbox.Open })
}

// arrivedAfter counts the probes that their pod answered with the policies.
func (r *report) arrivedAfter() int {
	return r.count(func(t trial) bool { return t.after == sandbox.Open })
}

// differences returns the trials where packets and rules disagree, in the order of all trials.
func (r *report) differences() []trial {
	return slices.DeleteFunc(slices.Clone(r.trials), func(t trial) bool { return !t.differs() })
}

// print writes the report for people.
func (r *report) print(out io.Writer) error {
	p := terminal.Palette(terminal.Coloured(out))
	// The tables are divided by the width, so it has to be known before them.
	r.width = terminal.Width(out)
	var text strings.Builder
	size := r.size("tried to reach each other, without and with")
	fmt.Fprintf(&text, "%s.\n\n", terminal.Fold(size, r.width, ""))
	// The legend explains only those marks that are in the tables.
	used := r.writeTables(&text, p)
	text.WriteString(legend(used, p, r.width))
	text.WriteString(r.summary())
	for _, section := range []struct {
		title string
		lines []string
	}{
		{"The agents warn:", r.warnings},
		{p.Paint(terminal.Warning, "Packets and rules disagree. That is an error of Picket, "+
			"not of the policies; please report it:"), r.disagreements()},
	} {
		if len(section.lines) > 0 {
			r.writeSection(&text, section.title, section.lines)
		}
	}
	_, err := io.WriteString(out, p.Clean(text.String()))
	return err
}

// writeSection writes a title and lines below it.
func (r *report) writeSection(text *strings.Builder, title string, lines []string) {
	fmt.Fprintf(text, "\n%s\n", terminal.Fold(title, r.width, ""))
	for _, line := range lines {
		fmt.Fprintln(text, terminal.Fold("  "+line, r.width, "    "))
	}
}

// summary says how many probes arrived without and with the policies.
func (r *report) summary() string {
	all, arrived := len(r.trials), r.arrivedAfter()
	verdict := "just as the rules say"
	if n := len(r.differences()); n > 0 {
		verdict = fmt.Sprintf("but %d not as the rules say", n)
	}
	before := fmt.Sprintf("without policies: %d of %d probes arrived", r.arrivedBefore(), all)
	// The blanks make both numbers stand below each other.
	after := fmt.Sprintf("with policies:    %d of %d arrived, %s%s",
		arrived, all, verdict, r.denials())
	return before + "\n" + terminal.Fold(after, r.width, "                  ") + "\n"
}

// denials says in which way how many probes were denied. An answer by somebody else is neither; it
// is among the disagreements.
func (r *report) denials() string {
	var ways []string
	for _, way := range []struct {
		outcome sandbox.Outcome
		text    string
	}{
		{sandbox.Silent, "dropped without an answer"},
		{sandbox.Refused, "rejected with an answer"},
	} {
		if n := r.count(func(t trial) bool { return t.after == way.outcome }); n > 0 {
			ways = append(ways, fmt.Sprintf("%d were %s", n, way.text))
		}
	}
	if len(ways) == 0 {
		return ""
	}
	return "; " + strings.Join(ways, ", ")
}

// disagreements says what differs, one a line, up to a number that can be read.
func (r *report) disagreements() []string {
	const most = 20
	var lines []string
	for i, t := range r.differences() {
		// The number of the others is enough to know how bad it is.
		if i == most {
			return append(lines, fmt.Sprintf("and %d more", len(r.differences())-most))
		}
		lines = append(lines, t.String()+": "+t.disagreement())
	}
	return lines
}

// disagreement says how the packets of a trial contradict the rules. It is for trials that differ.
func (t trial) disagreement() string {
	switch {
	case t.after == sandbox.Stranger:
		return "answered by somebody else"
	case t.allowed && t.before != sandbox.Open:
		return fmt.Sprintf("%s, also without policies, though the rules allow it", t.after)
	case t.allowed:
		return fmt.Sprintf("%s, though the rules allow it", t.after)
	default:
		return "arrives, though the rules deny it"
	}
}

// size is "6 pods on 2 nodes", then a verb, then "5 policies".
func (p *plan) size(verb string) string {
	return fmt.Sprintf("%s on %s %s %s", inspect.Count(len(p.pods), "pod"),
		inspect.Count(len(p.nodes), "node"), verb, inspect.Count(len(p.objects.Policies), "policy"))
}
