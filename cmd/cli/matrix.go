package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Matrix is who reaches whom: Allowed[i][j] says whether Pods[i] reaches Pods[j].
type Matrix struct {
	Pods    []string `json:"pods"` // namespace/name, sorted
	Allowed [][]bool `json:"allowed"`
}

// matrixOptions are the flags of matrix.
type matrixOptions struct {
	inputFlags
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
	o.inputFlags.bind(cmd.Flags())
	cmd.Flags().Uint16Var(&o.port, "port", 80, "destination port, 1 to 65535")
	cmd.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp, udp or sctp")
	cmd.Flags().Uint8Var(&o.family, "family", 0, "4 or 6: look at one address family only")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "table or json")
	return cmd
}

func (o *matrixOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	objects, err := o.loadComplete(cmd)
	if err != nil {
		return err
	}
	programs := compileAll(objects)
	proto, _ := ruleset.ParseProtocol(o.protocol)
	m := newMatrix(endpoints(objects), func(from, to endpoint) bool {
		return allowed(programs, from, to, wish{proto, o.port, ruleset.Family(o.family)})
	})
	if o.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(m)
	}
	return m.print(cmd.OutOrStdout())
}

// endpoint is a pod that can send and receive; one on its node's network has its node's address.
type endpoint struct {
	name  string // namespace/name
	node  string
	addrs []netip.Addr
}

// endpoints returns the pods that are alive and have an address, by name.
func endpoints(o policy.Objects) []endpoint {
	var list []endpoint
	for _, p := range o.Pods {
		e := endpoint{name: p.Namespace + "/" + p.Name, node: p.Spec.NodeName, addrs: policy.PodAddrs(p)}
		if !policy.Finished(p) && len(e.addrs) > 0 {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b endpoint) int { return strings.Compare(a.name, b.name) })
	return list
}

// wish is what a pod wants of another.
type wish struct {
	proto  ruleset.Protocol
	port   uint16
	family ruleset.Family // 0: both
}

// allowed reports whether the programs of both nodes let the wish pass, in every family that both pods have.
func allowed(programs map[string]*ruleset.Program, from, to endpoint, w wish) bool {
	common := false
	for _, src := range from.addrs {
		for _, dst := range to.addrs {
			if ruleset.FamilyOf(src) != ruleset.FamilyOf(dst) || w.family != 0 && ruleset.FamilyOf(src) != w.family {
				continue
			}
			common = true
			flow := ruleset.Flow{From: src, To: dst, Proto: w.proto, Port: w.port}
			for _, node := range []string{from.node, to.node} {
				if verdict, _ := programs[node].Decide(flow); verdict == ruleset.Deny {
					return false
				}
			}
		}
	}
	return common
}

func newMatrix(list []endpoint, allowed func(from, to endpoint) bool) Matrix {
	m := Matrix{Pods: []string{}, Allowed: [][]bool{}}
	for _, from := range list {
		row := make([]bool, len(list))
		for j, to := range list {
			row[j] = allowed(from, to)
		}
		m.Pods = append(m.Pods, from.name)
		m.Allowed = append(m.Allowed, row)
	}
	return m
}

// print writes a table with a numbered column for each pod, or several below each other where a
// terminal is narrower.
func (m Matrix) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, columns := range slices.Collect(slices.Chunk(m.columns(), m.most(terminalWidth(out)))) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		m.part(w, columns)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// columns are the indices of the pods; one that nobody has where there are none, for the header.
func (m Matrix) columns() []int {
	columns := []int{}
	for i := range m.Pods {
		columns = append(columns, i)
	}
	if len(columns) == 0 {
		return []int{-1}
	}
	return columns
}

// most is how many columns of pods fit a width; all where it is 0.
func (m Matrix) most(width int) int {
	number := len(strconv.Itoa(len(m.Pods)))
	margin := number + len(gap) + len(fromTo)
	for _, pod := range m.Pods {
		margin = max(margin, number+len(gap)+len(pod))
	}
	if width == 0 {
		return max(1, len(m.Pods))
	}
	return max(1, (width-margin)/(len(gap)+max(number, len("yes"))))
}

const fromTo = `from \ to`

// part writes some of the columns.
func (m Matrix) part(w io.Writer, columns []int) {
	fmt.Fprint(w, "\t"+fromTo)
	for _, j := range columns {
		if j >= 0 {
			fmt.Fprintf(w, "\t%d", j+1)
		}
	}
	for i, pod := range m.Pods {
		fmt.Fprintf(w, "\n%d\t%s", i+1, pod)
		for _, j := range columns {
			fmt.Fprintf(w, "\t%s", map[bool]string{true: "yes", false: "-"}[m.Allowed[i][j]])
		}
	}
	fmt.Fprintln(w)
}
