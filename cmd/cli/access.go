package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/reach"
)

// newWhoCanCmd is the verb that says who reaches a port.
func newWhoCanCmd() *cobra.Command {
	var o answerOptions
	cmd := &cobra.Command{
		Use:   "who-can TO:PORT[/PROTOCOL]",
		Short: "Say which workloads and addresses reach a port of a pod",
		Long: `Say which workloads reach TO, by which rule, and which addresses outside. What a sender's own
policies forbid does not count as reached. TO is written as for "picket why"; of a workload or
Service all pods have to be reached.

The exit code is 0, or 2 after an error.`,
		Example: `  picket who-can shop/db:5432
  picket who-can -f deploy/demo shop/backend:http
  picket who-can kube-system/svc/kube-dns:53/udp -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := o.load(cmd)
			if err != nil {
				return err
			}
			to, err := l.Target(args[0], l.Namespace)
			if err != nil {
				return err
			}
			// That nobody reaches it is an answer, too: the exit code stays 0.
			a := reach.WhoCan(l.Cluster, to)
			return o.print(cmd.OutOrStdout(), "WhoCan", a, func(p *page) { p.whoCan(a) })
		},
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = o.completeEnds(1)
	return cmd
}

// newReachCmd is the verb that says what an end reaches.
func newReachCmd() *cobra.Command {
	var o answerOptions
	cmd := &cobra.Command{
		Use:   "reach FROM",
		Short: "Say which workloads and addresses a pod reaches, and on which ports",
		Long: `Say what FROM reaches: of every workload the ports that it declares, and which addresses
outside, on any port. Of pods that declare none it is the ports that Services and rules name, of a
range the first and the last. Pods of a workload that are reached on other ports than the rest have a
line of their own. FROM is written as for "picket why"; of a workload all pods have to reach it.

The exit code is 0 if it reaches anything but itself and its node, 1 if it does not, 2 after an
error.`,
		Example: `  picket reach shop/deploy/web
  picket reach -f deploy/demo shop/frontend-1
  picket reach internet -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := o.load(cmd)
			if err != nil {
				return err
			}
			from, err := l.End(args[0], l.Namespace)
			if err != nil {
				return err
			}
			r := reach.From(l.Cluster, from)
			err = o.print(cmd.OutOrStdout(), "Reach", r, func(p *page) { p.reach(r) })
			if err == nil && r.Nothing() {
				return exit.Code(1)
			}
			return err
		},
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = o.completeEnds(1)
	return cmd
}

// whoCan writes who reaches a port.
func (p *page) whoCan(a reach.Access) {
	outside := ""
	if len(a.Outside) > 0 {
		outside = " and " + inspect.Count(len(a.Outside), "range") + " outside"
	}
	p.line("    ", "%d of %s%s %s %s %s", len(a.Workloads), inspect.Count(a.Asked, "workload"),
		outside, verbOf(len(a.Workloads)+len(a.Outside)), a.To, a.Port)
	if len(a.Workloads)+len(a.Outside) > 0 {
		p.WriteString("\n")
		t := terminal.Table{Header: []string{"WORKLOAD", "PODS", "ALLOWED BY"},
			Right: []bool{false, true}}
		for _, w := range a.Workloads {
			t.Rows = append(t.Rows, []string{w.Workload, podCount(w), p.few(w.AllowedBy, 3)})
		}
		p.table(p.withRanges(t, a.Outside))
	}
	p.ownNodes(a.Nodes)
	for i, u := range a.Unused {
		p.line("  ", "\nWould get in, and is no pod now: %s", u)
		if why := a.UnusedWhy[i]; why != "" {
			p.line("  ", "(%s)", why)
		}
	}
}

// verbOf is reaches or reach.
func verbOf(n int) string {
	if n == 1 {
		return "reaches"
	}
	return "reach"
}

// podCount is how many pods of a workload count; of all, if that is not all.
func podCount(w reach.Row) string {
	if w.Pods == w.Of {
		return fmt.Sprint(w.Pods)
	}
	return fmt.Sprintf("%d/%d", w.Pods, w.Of)
}

// reachedRows are the rows of a workload that is reached: one for each part of its pods.
func (p *page) reachedRows(w reach.Row) (rows [][]string) {
	parts := w.Parts
	if len(parts) == 0 {
		parts = []reach.Part{{Pods: w.Pods, Ports: w.Ports, AllowedBy: w.AllowedBy}}
	}
	name := w.Workload
	for _, part := range parts {
		of := reach.Row{Pods: part.Pods, Of: w.Of}
		rows = append(rows, []string{name, podCount(of), portList(part.Ports),
			p.few(part.AllowedBy, 3)})
		name = ""
	}
	return rows
}

// portList lists ports; those of several words need a mark between them.
func portList(ports []string) string {
	several := func(port string) bool { return strings.Contains(port, " ") }
	if slices.ContainsFunc(ports, several) {
		return strings.Join(ports, ", ")
	}
	return strings.Join(ports, " ")
}

// withRanges adds ranges of addresses to a table of workloads.
func (p *page) withRanges(t terminal.Table, ranges []reach.Range) terminal.Table {
	for _, r := range ranges {
		by := p.few(r.AllowedBy, 3)
		// Who is not isolated needs no rule.
		if len(r.AllowedBy) == 0 {
			by = reach.NotIsolated
		}
		row := []string{r.Addresses, "-", by}
		// In the answer of reach the ports stand before the rules.
		if len(t.Header) > 3 {
			row = []string{r.Addresses, "-", "-", by}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// reach writes what an end reaches.
func (p *page) reach(r reach.Reach) {
	outside := ""
	if len(r.Outside) > 0 {
		outside = " and " + inspect.Count(len(r.Outside), "range") + " outside"
	}
	p.line("    ", "%s reaches %d of %s%s", r.From, len(r.Workloads),
		inspect.Count(r.Asked, "workload"), outside)
	if len(r.Workloads)+len(r.Outside) > 0 {
		p.WriteString("\n")
		t := terminal.Table{Header: []string{"WORKLOAD", "PODS", "PORTS", "ALLOWED BY"},
			Right: []bool{false, true}}
		for _, w := range r.Workloads {
			t.Rows = append(t.Rows, p.reachedRows(w)...)
		}
		p.table(p.withRanges(t, r.Outside))
	}
	p.ownNodes(r.Nodes)
}

// ownNodes writes the nodes that are always allowed.
func (p *page) ownNodes(nodes []string) {
	switch len(nodes) {
	// Pods whose node is not known have none that is always allowed.
	case 0:
	case 1:
		p.line("  ", "(the node of its pods: %s; always allowed)", nodes[0])
	default:
		p.line("  ", "(the nodes of its pods: %s; each always allowed with its own pods)",
			p.few(nodes, 4))
	}
}
