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
	// Files have no kernel, and a flow that is decided for no pod has no node.
	if o.noKernel || o.Given() || len(nodes) == 0 {
		return
	}
	// An error is that of each node: none of them was asked.
	fleet, _, err := o.fleet(o.reach)
	// There are two of them at most: the sender's and the receiver's.
	var asked []agent.Client
	for _, node := range nodes {
		asked = append(asked, agent.Client{Node: node, Patience: o.reach.patience})
	}
	a.Compare(agent.Each(ctx, asked, func(ctx context.Context, c agent.Client) (*agent.State, error) {
		if err != nil {
			return nil, err
		}
		return stateOfNode(ctx, fleet, c.Node)
	}))
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
	p.line("  ", "\n%s of connections would be cut, of %s that are open",
		inspect.Count(len(l.Cuts), "kind"),
		inspect.Count(l.Open, "connection"))
	// They can be of any kind, also of one that is cut.
	if l.LeftOut > 0 {
		p.line("  ", "%s more are of kinds that their agents had no room for",
			inspect.Count(l.LeftOut, "connection"))
	}
	p.notAsked(l.NotAsked)
}
