package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset"
)

// matrixOptions are the flags of matrix. Port 0 is every port that is declared, family 0 both.
type matrixOptions struct {
	answerOptions
	protocol string
	port     uint16
	family   uint8
	grid     bool
}

// gridPort is the port of a grid where none is given.
const gridPort = 80

// Validate checks what the flags can be checked for alone.
func (o *matrixOptions) Validate(cmd *cobra.Command) error {
	if o.family != 0 && o.family != 4 && o.family != 6 {
		return fmt.Errorf("--family %d: expected 4 or 6", o.family)
	}
	if o.grid && o.output != "table" && o.output != "json" {
		return fmt.Errorf("-o %q: expected table or json with --grid", o.output)
	}
	if o.port == 0 && cmd.Flags().Changed("port") {
		return errors.New("--port 0: expected 1 to 65535")
	}
	if o.family != 0 && !o.grid {
		return errors.New("--family: expected it with --grid")
	}
	if o.grid && cmd.Flags().Changed("namespace") {
		return errors.New("--namespace: expected it without --grid, which has every pod")
	}
	if _, err := ruleset.ParseProtocol(o.protocol); err != nil {
		return fmt.Errorf("--protocol: %w", err)
	}
	if o.port == 0 && !o.grid && cmd.Flags().Changed("protocol") {
		return errors.New("--protocol: expected it with --port or --grid")
	}
	return o.answerOptions.Validate()
}

// newMatrixCmd is the verb that says who reaches whom.
func newMatrixCmd() *cobra.Command {
	var o matrixOptions
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Say who reaches whom, by workload, or as a grid of pods",
		Long: `Say for every workload and every port that it declares which workloads reach it. Of a workload
without a declared port it is the ports that its Services and the rules for it name, of a range the
first and the last; where none does, what a rule without ports lets through ("other", such as ICMP).
With --grid: which pod reaches which at one port, in every IP family that both have.

Where no pod of files states an address, nodes and addresses are made up. Deployments and the like are
taken as the pods that they make, two at most for each. What is wrong with files is told on stderr,
one line each; with --strict nothing else is printed then, and the exit code is 1.

The exit code is 0, or 2 after an error.`,
		Example: `  picket matrix -n shop
  picket matrix -f deploy/demo --port 8080 --grid
  picket matrix -f deploy/demo -o yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.grid, "grid", false, "a row and a column for every pod")
	cmd.Flags().Uint16Var(&o.port, "port", 0,
		"destination port, 1 to 65535; without it every declared one, or 80 in a grid")
	cmd.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp, udp or sctp")
	cmd.Flags().Uint8Var(&o.family, "family", 0,
		"4 or 6: look at one address family only, in a grid")
	return cmd
}

// run prints who reaches whom. It asks the programs; no packet is sent.
func (o *matrixOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(cmd); err != nil {
		return err
	}
	l, err := o.load(cmd)
	if err != nil {
		return err
	}
	// Validate has parsed it without an error.
	protocol, _ := ruleset.ParseProtocol(o.protocol)
	port := ask.Port{Protocol: protocol, Number: o.port}
	if o.grid {
		return o.printGrid(cmd.OutOrStdout(), l, port)
	}
	m := reach.Workloads(l.Cluster, reach.Limits{Namespace: l.Shown, Port: port})
	return o.print(cmd.OutOrStdout(), "Matrix", m, func(p *page) { p.matrix(m) })
}

// printGrid writes a row and a column for every pod.
func (o *matrixOptions) printGrid(out io.Writer, l *input.Loaded, port ask.Port) error {
	if port.Number == 0 {
		port.Number = gridPort
	}
	families := ruleset.Families[:]
	if o.family != 0 {
		families = []ruleset.Family{ruleset.Family(o.family)}
	}
	m := reach.Grid(l.Cluster, port, families)
	if o.output == "json" {
		return json.NewEncoder(out).Encode(m)
	}
	return printMatrix(out, m)
}

// matrix writes a line for each port of each workload.
func (p *page) matrix(m reach.Matrix) {
	t := terminal.Table{Header: []string{"WORKLOAD", "PORT", "REACHED BY"}}
	last := ""
	for _, s := range m.Targets {
		name := s.To
		if name == last {
			name = ""
		}
		last = s.To
		t.Rows = append(t.Rows, []string{name, s.Port, p.senders(m, s)})
	}
	p.table(t)
	if len(m.Host) > 0 {
		p.line("  ", "\nLeft out, on their nodes' network: %s", p.few(m.Host, 5))
	}
}

// shownSenders is how many workloads a line names without -o wide.
const shownSenders = 6

// senders names those who reach a port, or those who do not if these are fewer.
func (p *page) senders(m reach.Matrix, s reach.Served) string {
	var names, partly []string
	for _, f := range s.From {
		name := f.Workload
		if f.Pairs < f.Of {
			name = fmt.Sprintf("%s (%d of %d pairs)", name, f.Pairs, f.Of)
			partly = append(partly, name)
		}
		names = append(names, name)
	}
	rest := without(m.Workloads, names)
	if s.OwnPairs == 0 {
		rest = without(rest, []string{s.To}) // one pod has no pair with itself
	}
	// The shortest of three lists is shown: nobody, all but a few, or those who do.
	switch {
	case len(names) == 0:
		return "nobody"
	case len(partly) == 0 && len(rest) == 0:
		return "everybody"
	case len(partly) == 0 && len(rest) < min(len(names), shownSenders):
		return "all but " + strings.Join(rest, ", ")
	}
	return p.few(names, shownSenders)
}

// without returns the names that are not among some.
func without(all, some []string) []string {
	var rest []string
	among := map[string]bool{}
	for _, name := range some {
		among[name] = true
	}
	for _, name := range all {
		if !among[name] {
			rest = append(rest, name)
		}
	}
	return rest
}

const (
	gap    = "  " // between columns
	fromTo = `from \ to`
)

// printMatrix writes a table with a numbered column for each pod. If a terminal is too narrow for
// that, it writes several below each other.
func printMatrix(out io.Writer, m inspect.Matrix) error {
	w := tabwriter.NewWriter(out, 0, 0, len(gap), ' ', 0)
	// Each chunk of columns is a table of its own, with all rows.
	most := matrixColumns(m, terminal.Width(out))
	for i, columns := range slices.Collect(slices.Chunk(columnNumbers(m), most)) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		writeColumns(w, m, columns)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// columnNumbers returns the indices of the pods. If there are none it returns one that no pod has,
// so that there is a header.
func columnNumbers(m inspect.Matrix) []int {
	var columns []int
	for i := range m.Pods {
		columns = append(columns, i)
	}
	if len(columns) == 0 {
		return []int{-1}
	}
	return columns
}

// matrixColumns is how many columns of pods fit a width; all if it is 0.
func matrixColumns(m inspect.Matrix, width int) int {
	number := len(strconv.Itoa(len(m.Pods)))
	// The margin is what stands left of the columns: the numbers and names of the rows.
	margin := number + len(gap) + len(fromTo)
	// The names are as wide as the longest of them.
	for _, pod := range m.Pods {
		margin = max(margin, number+len(gap)+len(pod))
	}
	// There is no terminal that limits the width.
	if width == 0 {
		return max(1, len(m.Pods))
	}
	// A column is as wide as the longest number, or as a "yes".
	return max(1, (width-margin)/(len(gap)+max(number, len("yes"))))
}

// writeColumns writes a table of some of the columns.
func writeColumns(w io.Writer, m inspect.Matrix, columns []int) {
	fmt.Fprint(w, "\t"+fromTo)
	for _, j := range columns {
		// It is -1 where there is no pod at all.
		if j >= 0 {
			fmt.Fprintf(w, "\t%d", j+1)
		}
	}
	for i, pod := range m.Pods {
		fmt.Fprintf(w, "\n%d\t%s", i+1, terminal.Clean(pod))
		for _, j := range columns {
			fmt.Fprint(w, "\t"+yesOrDash(m.Allowed[i][j]))
		}
	}
	fmt.Fprintln(w)
}

// yesOrDash is the text of a cell: "yes" if the pod of the row reaches the one of the column, else
// "-".
func yesOrDash(yes bool) string {
	if yes {
		return "yes"
	}
	return "-"
}
