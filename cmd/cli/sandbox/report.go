package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/picket-project/picket/cmd/sandbox"
)

// report is what a run found out.
type report struct {
	*blueprint
	trials   []trial
	warnings []string // what the agents say of anything but policies, one a line
	width    int      // of the terminal; 0: there is none
}

// count is how many trials have something in common.
func (r *report) count(of func(trial) bool) int {
	n := 0
	for _, t := range r.trials {
		if of(t) {
			n++
		}
	}
	return n
}

func (r *report) arrivedBefore() int {
	return r.count(func(t trial) bool { return t.before == sandbox.Open })
}

func (r *report) arrivedAfter() int {
	return r.count(func(t trial) bool { return t.after == sandbox.Open })
}

func (r *report) differences() []trial {
	return slices.DeleteFunc(slices.Clone(r.trials), func(t trial) bool { return !t.differs() })
}

// SandboxReport is the form of sandbox run -o json.
type SandboxReport struct {
	Nodes       []string       `json:"nodes"`
	Pods        []string       `json:"pods"` // namespace/name, sorted
	Policies    int            `json:"policies"`
	Problems    []string       `json:"problems"`           // of policies; that part of them matches nothing
	Warnings    []string       `json:"warnings,omitempty"` // of the agents, about anything else
	Probes      []SandboxProbe `json:"probes"`
	Before      int            `json:"before"`      // probes that arrived without policies
	After       int            `json:"after"`       // probes that arrived with them
	Differences int            `json:"differences"` // probes where packets and rules disagree
}

// SandboxProbe is one question of a SandboxReport. Before and After are open, silent, refused or stranger (an
// answer by somebody else).
type SandboxProbe struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Family   uint8  `json:"family"` // 4 or 6
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Before   string `json:"before"`
	After    string `json:"after"`
	Allowed  bool   `json:"allowed"` // what the rules say
	Differs  bool   `json:"differs"` // After is not what the rules say
}

// document is the report for programs.
func (r *report) document() SandboxReport {
	doc := SandboxReport{
		Nodes: []string{}, Pods: []string{}, Problems: append([]string{}, r.unclear...), Probes: []SandboxProbe{},
		Warnings: r.warnings, Policies: len(r.objects.Policies), Before: r.arrivedBefore(), After: r.arrivedAfter(), Differences: len(r.differences()),
	}
	for _, n := range r.nodes {
		doc.Nodes = append(doc.Nodes, n.Name)
	}
	for _, p := range r.pods {
		doc.Pods = append(doc.Pods, p.name)
	}
	for _, t := range r.trials {
		doc.Probes = append(doc.Probes, SandboxProbe{
			From: t.probe.From, To: t.probe.To, Family: uint8(t.family()), Protocol: t.door.proto.String(), Port: t.door.number,
			Before: t.before.String(), After: t.after.String(), Allowed: t.allowed, Differs: t.differs(),
		})
	}
	return doc
}

// print writes the report for people.
func (r *report) print(out io.Writer) error {
	p := palette(isTerminal(out))
	r.width = terminalWidth(out)
	var text strings.Builder
	fmt.Fprintf(&text, "%s.\n\n", fold(r.size("tried to reach each other, without and with"), r.width, ""))
	used := r.tables(&text, p)
	text.WriteString(legend(used, p, r.width))
	text.WriteString(r.summary())
	for _, section := range []struct {
		title string
		lines []string
	}{
		{"The agents warn:", r.warnings},
		{p.paint(warning, "Packets and rules disagree. That is an error of Picket, not of the policies; please report it:"), r.disagreements()},
	} {
		if len(section.lines) > 0 {
			r.section(&text, section.title, section.lines)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// section writes a title and lines below it.
func (r *report) section(text *strings.Builder, title string, lines []string) {
	fmt.Fprintf(text, "\n%s\n", fold(title, r.width, ""))
	for _, line := range lines {
		fmt.Fprintln(text, fold("  "+line, r.width, "    "))
	}
}

func (r *report) summary() string {
	all, arrived := len(r.trials), r.arrivedAfter()
	verdict := "just as the rules say"
	if n := len(r.differences()); n > 0 {
		verdict = fmt.Sprintf("but %d not as the rules say", n)
	}
	before := fmt.Sprintf("without policies: %d of %d probes arrived", r.arrivedBefore(), all)
	after := fmt.Sprintf("with policies:    %d of %d arrived, %s%s", arrived, all, verdict, r.manner())
	return before + "\n" + fold(after, r.width, "                  ") + "\n"
}

// manner is how probes were denied.
func (r *report) manner() string {
	var ways []string
	for _, way := range []struct {
		outcome sandbox.Outcome
		text    string
	}{{sandbox.Silent, "dropped without an answer"}, {sandbox.Refused, "rejected with an answer"}} {
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
		if i == most {
			return append(lines, fmt.Sprintf("and %d more", len(r.differences())-most))
		}
		lines = append(lines, t.String()+": "+t.disagreement())
	}
	return lines
}

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

// size is "6 pods on 2 nodes", a verb, "5 policies".
func (b *blueprint) size(verb string) string {
	return fmt.Sprintf("%s on %s %s %s", plural(len(b.pods), "pod"), plural(len(b.nodes), "node"), verb, plural(len(b.objects.Policies), "policy"))
}

// plural is "1 pod" or "2 pods".
func plural(n int, one string) string {
	switch stem, y := strings.CutSuffix(one, "y"); {
	case n == 1:
		return "1 " + one
	case y:
		return fmt.Sprintf("%d %sies", n, stem)
	default:
		return fmt.Sprintf("%d %ss", n, one)
	}
}
