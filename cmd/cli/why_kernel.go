package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/why"
)

// askKernels asks the nodes that decide what they do, where a cluster was read. What could not be
// asked becomes part of the answer.
func (o *whyOptions) askKernels(ctx context.Context, a *why.Answer) {
	nodes := a.Nodes()
	// Files have no kernel, and a flow that no pod is judged for has no node.
	if o.noKernel || o.Given() || len(nodes) == 0 {
		return
	}
	ctx, stop := context.WithTimeout(ctx, o.reach.patience)
	defer stop()
	// An error is that of each node: none of them was asked.
	fleet, _, err := o.fleet(o.reach)
	var states []agent.Answer[*agent.State]
	// There are two of them at most: the sender's and the receiver's.
	for _, node := range nodes {
		s := agent.Answer[*agent.State]{Node: node, Err: err}
		if err == nil {
			s.Value, s.Err = stateOfNode(ctx, fleet, node)
		}
		states = append(states, s)
	}
	a.Compare(states)
}

// whyKernel writes what the nodes do.
func (p *page) whyKernel(a why.Answer) {
	// The order is that of the directions above.
	for i, k := range a.Kernel {
		if i == 0 {
			p.WriteString("\n")
		}
		switch {
		case !k.Asked:
			p.line("          ", "  kernel: %s could not be asked: %s", k.Node, k.Why)
		case k.Verdict == why.Denied:
			p.line("          ", "  kernel: %s drops it in %s, %s denied there so far", k.Node, k.Chain,
				inspect.Count(int(k.Denied), "packet"))
		default:
			p.line("          ", "  kernel: %s lets it through (%s)", k.Node, k.Direction)
		}
	}
	// This comes last, where an answer ends: it overrules all that stands above.
	for _, line := range a.Disagreement() {
		p.line("  ", "  %s %s", p.Paint(terminal.Bad, "THE KERNEL DIFFERS:"), line)
	}
}

// liveCuts writes which open connections a change would cut.
func (p *page) liveCuts(l *liveReport) {
	if l == nil {
		return
	}
	// The most connections come first.
	if len(l.Cuts) > 0 {
		p.WriteString("\n")
		t := terminal.Table{Header: []string{p.Paint(terminal.Bad, "CUTS, AND IS OPEN NOW"), "FLOWS", "NODE"},
			Right: []bool{1: true}}
		for i, c := range l.Cuts {
			if i == shownLinks && !p.wide {
				break
			}
			t.Rows = append(t.Rows, []string{strings.Join([]string{c.From, p.arrow, c.To, c.Port}, " "),
				fmt.Sprint(c.Flows), p.few(c.Nodes, 2)})
		}
		// The table is cut, and the sum below is not.
		p.table(t)
		if more := len(l.Cuts) - len(t.Rows); more > 0 {
			p.line("", "%d more: -o wide", more)
		}
	}
	p.line("  ", "\n%s would be cut, of %s that are open",
		counted(len(l.Cuts), "kind of connections", "kinds of connections"),
		inspect.Count(l.Open, "connection"))
	// They can be of any kind, also of one that is cut.
	if l.LeftOut > 0 {
		p.line("  ", "%s more are of kinds that their agents had no room for",
			inspect.Count(l.LeftOut, "connection"))
	}
	p.notAsked(l.NotAsked)
}
