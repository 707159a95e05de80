package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/status"
)

// sortNodes sorts by name.
func sortNodes(nodes []status.Node) {
	slices.SortFunc(nodes, func(a, b status.Node) int { return strings.Compare(a.Name, b.Name) })
}

// sorted are the nodes in their order.
func sorted(nodes map[string]status.Node) []status.Node {
	list := slices.Collect(maps.Values(nodes))
	sortNodes(list)
	return list
}

// fleet writes a line a node, and below what people have to see to.
func (p *page) fleet(f status.Fleet) {
	p.line("  ", "all is well on %d of %s, with %s", f.Well, inspect.Count(len(f.Nodes), "node"),
		inspect.Count(f.Policies, "policy"))
	p.WriteString("\n")
	t := terminal.Table{Header: []string{"NODE", "READY", "VERSION", "BACKEND", "PODS", "IN FORCE"},
		Right: []bool{4: true, 5: true}}
	for _, n := range f.Nodes {
		// Nothing is known of it, so nothing is shown but that.
		if !n.Asked {
			t.Rows = append(t.Rows, []string{n.Node, p.Paint(terminal.Bad, "?"), "-", "-", "-", "-"})
			continue
		}
		ready := p.Paint(terminal.Good, "yes")
		if !n.Ready {
			ready = p.Paint(terminal.Bad, "no, for "+status.Span(time.Duration(n.NotReady)*time.Second))
		}
		t.Rows = append(t.Rows, []string{n.Node, ready, n.Version, n.Backend, fmt.Sprint(n.Pods),
			fmt.Sprintf("%d of %d", n.InForce, f.Policies)})
	}
	p.table(t)
	for _, n := range f.Nodes {
		p.findings(n)
	}
}

// shownFindings is how many findings of a node are shown without -o wide.
const shownFindings = 2

// findings writes what people have to see to on one node.
func (p *page) findings(n status.FleetNode) {
	for i, text := range n.Findings {
		// What one node says stands together.
		if i == 0 {
			p.WriteString("\n")
		}
		if i == shownFindings && !p.wide {
			p.line("    ", "  %d more: picket status node/%s", len(n.Findings)-i, n.Node)
			return
		}
		p.line("    ", "%s: %s", n.Node, text)
	}
}

// nodeReport is the answer of status for one node.
type nodeReport struct {
	Well  bool          `json:"well"`
	Agent *agent.Status `json:"agent"`
	now   time.Time
}

// newNodeReport says whether there is anything to see to.
func newNodeReport(a *agent.Status, now time.Time) nodeReport {
	return nodeReport{Well: len(status.Findings(a)) == 0, Agent: a, now: now}
}

// node writes all that an agent says.
func (p *page) node(n nodeReport) {
	a := n.Agent
	// The first line answers the question; what follows are the reasons.
	state := p.Paint(terminal.Good, "READY")
	if !a.Readiness.Ready {
		state = p.Paint(terminal.Bad, "NOT READY")
		if !a.NotReadySince.IsZero() { // an agent of before does not say it
			state += " for " + status.Span(n.now.Sub(a.NotReadySince))
		}
	}
	// Rules stay in force while an agent is not ready, so it is told from when they are.
	rules := "no rules have changed since the start"
	if !a.Committed.IsZero() {
		rules = "the rules of " + clock(a.Committed, n.now) + " are in force"
	}
	p.line("  ", "%s  %s, %s (%s)", a.Node, state, rules, inspect.Count(a.Pods, "pod"))
	p.WriteString("\n")
	// First what keeps the node from being ready, then what is wrong besides, then the rest.
	p.parts("x", terminal.Bad, a.Readiness.Reasons)
	p.parts("!", terminal.Warning, a.Readiness.Warnings)
	p.parts(".", terminal.Plain, a.Readiness.Pending)
	for _, lack := range a.Readiness.KernelLacks {
		p.part("!", "kernel "+a.Kernel, lack)
	}
	for _, other := range a.Others {
		p.part("!", "others", "enforces policies here, too: "+other)
	}
	for _, lack := range a.OthersUnknown {
		p.part(p.Paint(terminal.Bad, "?"), "others", lack)
	}
	if len(a.Others)+len(a.OthersUnknown) == 0 {
		p.part("ok", "others", "no sign of another program that enforces policies")
	}
	holder := cmp.Or(a.Readiness.Backend, "nothing yet")
	if a.Readiness.Because != "" {
		holder += ": " + a.Readiness.Because
	}
	p.part("ok", "agent", fmt.Sprintf("version %s for %s, rules held by %s", a.Version,
		status.Span(n.now.Sub(a.Started)), holder))
	p.silence(a.Silence)
	p.part("ok", "rules", ownership(a))
	p.part("ok", "policies", inForce(a))
}

// silence says when the API server was last heard, and of what it has said nothing for longest: a
// watch can fall silent while the others go on.
func (p *page) silence(of map[string]time.Duration) {
	if silent := status.Silent(of); silent != "" {
		p.part(p.Paint(terminal.Warning, "!"), "API", silent)
	} else if last := status.Longest(of); last != "" {
		p.part("ok", "API", fmt.Sprintf("last event %s ago; of %s %s ago",
			status.Span(slices.Min(slices.Collect(maps.Values(of)))), last, status.Span(of[last])))
	}
}

// ownership says who can change the rules.
func ownership(a *agent.Status) string {
	// Linux 6.9 and later can keep others off; before, changes are undone.
	if a.Readiness.Table == "owned" {
		return "the kernel refuses changes by others"
	}
	return fmt.Sprintf("watched: what others change is repaired, %s so far",
		inspect.Count(a.Repairs, "time"))
}

// inForce counts policies.
func inForce(a *agent.Status) string {
	// Both can be true of one policy: the version of before, and a newer one.
	held, waiting := 0, 0
	for _, r := range a.Policies {
		// A version that waits can be the first one, so that none is in force.
		if !r.Since.IsZero() {
			held++
		}
		if r.Waiting > 0 {
			waiting++
		}
	}
	are := "are"
	if held == 1 {
		are = "is"
	}
	text := fmt.Sprintf("%d %s in force", held, are)
	if waiting > 0 {
		text += fmt.Sprintf(", %d on the way into the kernel", waiting)
	}
	return text
}

// parts writes a line for each part of the agent that says something.
func (p *page) parts(sign string, c terminal.Colour, texts map[string]string) {
	for _, part := range slices.Sorted(maps.Keys(texts)) {
		p.part(p.Paint(c, sign), part, texts[part])
	}
}

// part writes one line.
func (p *page) part(sign, part, text string) {
	p.line("                  ", "  %s %s %s", terminal.Pad(sign, 2), terminal.Pad(part, 12), text)
}

// clock is a time of today, or a date.
func clock(t, now time.Time) string {
	if now.Sub(t) < 24*time.Hour {
		return t.Local().Format("15:04:05")
	}
	return t.Local().Format("2006-01-02 15:04")
}

// policyStatus writes where a policy is in force.
func (p *page) policyStatus(s status.Policy) {
	// Of a deleted policy the question is whether it is still in force.
	about, verb := fmt.Sprintf("generation %d", s.Generation), "in force"
	switch {
	case s.Generation == 0:
		about, verb = "deleted", "gone"
	case s.Audited:
		about, verb = about+", audited: it denies nothing", "known"
	}
	p.line("  ", "%s  %s  %s on %d of %s", s.Policy, about, verb, s.InForce,
		inspect.Count(len(s.Nodes), "node"))
	p.WriteString("\n")
	t := terminal.Table{Header: []string{"NODE", "PODS", "IN FORCE", "AFTER", "NOTE"},
		Right: []bool{1: true, 3: true}}
	for _, n := range s.Nodes {
		t.Rows = append(t.Rows, []string{n.Node, fmt.Sprint(n.Pods), p.state(n.State), after(n), p.since(n)})
	}
	p.table(t)
}

// state paints whether a policy is in force.
func (p *page) state(s status.State) string {
	switch s {
	case status.Yes:
		return p.Paint(terminal.Good, string(s))
	case status.Idle:
		return string(s)
	default:
		return p.Paint(terminal.Bad, string(s))
	}
}

// after is how long it took where there was something to do.
func after(n status.PolicyNode) string {
	if n.State != status.Yes {
		return "-"
	}
	return status.Span(n.After)
}

// since is what there is to be said of a node.
func (p *page) since(n status.PolicyNode) string {
	text := n.Note
	// Only where it is in force there is a moment from which it is.
	if n.State == status.Yes && !n.Since.IsZero() {
		text = strings.TrimSuffix("since "+clock(n.Since, time.Now())+"; "+n.Note, "; ")
	}
	return cmp.Or(text, "-")
}
