package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/ruleset"
)

// matrixOptions are the flags of matrix. Family 0 stands for both.
type matrixOptions struct {
	input.Flags
	protocol, output string
	port             uint16
	family           uint8
}

// Validate checks what the flags can be checked for alone.
func (o *matrixOptions) Validate() error {
	if o.family != 0 && o.family != 4 && o.family != 6 {
		return fmt.Errorf("--family %d: expected 4 or 6", o.family)
	}
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("-o %q: expected table or json", o.output)
	}
	if o.port == 0 {
		return errors.New("--port 0: expected 1 to 65535")
	}
	if _, err := ruleset.ParseProtocol(o.protocol); err != nil {
		return fmt.Errorf("--protocol: %w", err)
	}
	return nil
}

// newMatrixCmd is the verb that says who reaches whom.
func newMatrixCmd() *cobra.Command {
	var o matrixOptions
	cmd := &cobra.Command{
		Use:   "matrix --manifests DIR|FILE|-...",
		Short: "Say who reaches whom, offline",
		Long: `Say which pod of the manifests reaches which, as the programs of all nodes decide it.
A pair is allowed when every address family that both pods have allows it.

Where no pod states an address, nodes and addresses are made up. Deployments and the like are judged
by the pods that they make, two at most for each. What is wrong with the manifests is told on stderr,
one line each; with --strict nothing else is printed then, and the exit code is 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.Flags.Bind(cmd.Flags())
	cmd.Flags().Uint16Var(&o.port, "port", 80, "destination port, 1 to 65535")
	cmd.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp, udp or sctp")
	cmd.Flags().Uint8Var(&o.family, "family", 0, "4 or 6: look at one address family only")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "table or json")
	return cmd
}

// run prints who reaches whom, as a table or as JSON. It asks the programs of all nodes; no packet
// is sent.
func (o *matrixOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	// Nodes and addresses are made up if no pod states an address.
	objects, err := o.LoadComplete(cmd)
	if err != nil {
		return err
	}
	// Pods that have finished, or have no address, are in no matrix.
	pods := inspect.PodsOf(objects)
	// Pods without an address of the family stay in the table; nobody reaches them.
	if o.family != 0 {
		for i, p := range pods {
			pods[i] = p.In(ruleset.Family(o.family))
		}
	}
	// Validate has parsed it without an error.
	protocol, _ := ruleset.ParseProtocol(o.protocol)
	m := inspect.NodesOf(objects).Matrix(pods, inspect.Port{Protocol: protocol, Number: o.port})
	if o.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(m)
	}
	return printMatrix(cmd.OutOrStdout(), m)
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
		fmt.Fprintf(w, "\n%d\t%s", i+1, pod)
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
