package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/coverage"
)

// newCoverageCmd is the verb that says which pods have no policy.
func newCoverageCmd() *cobra.Command {
	var o answerOptions
	failUnder := ""
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "Say which pods no policy isolates, by namespace",
		Long: `Say of every namespace how many of its pods are isolated for ingress and for egress, whether a
policy denies all of them everything, and which workloads have a pod that is free in a direction.
Pods on their node's network (hostNetwork) are out of reach of any policy and are counted apart.

The exit code is 0; with --fail-under it is 1 if fewer pods than that are isolated for ingress or
for egress; 2 after an error.`,
		Example: `  picket coverage
  picket coverage -n shop -o wide
  picket coverage -f deploy/demo --fail-under 80%`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCoverage(cmd, &o, failUnder)
		},
	}
	o.bind(cmd)
	cmd.Flags().StringVar(&failUnder, "fail-under", "",
		"end with 1 if fewer percent of the pods are isolated, for ingress or for egress: 80%")
	return cmd
}

// runCoverage prints the coverage, and compares it with what is demanded.
func runCoverage(cmd *cobra.Command, o *answerOptions, failUnder string) error {
	// Without the flag nothing is demanded, and the number is not looked at.
	least, err := strconv.ParseFloat(strings.TrimSuffix(failUnder, "%"), 64)
	if failUnder != "" && (err != nil || !(least >= 0 && least <= 100)) {
		return fmt.Errorf("--fail-under %q: expected 0%% to 100%%", failUnder)
	}
	l, err := o.load(cmd)
	if err != nil {
		return err
	}
	r := coverage.Of(l.Cluster, l.Shown)
	if err := o.print(cmd.OutOrStdout(), "Coverage", r, func(p *page) { p.coverage(r) }); err != nil {
		return err
	}
	if below := r.Below(least); failUnder != "" && len(below) > 0 {
		tellError(cmd.ErrOrStderr(), fmt.Errorf("below %g%%: %s", least, strings.Join(below, ", ")))
		return exit.Code(1)
	}
	return nil
}

// coverage writes the report.
func (p *page) coverage(r coverage.Report) {
	t := terminal.Table{
		Header: []string{"NAMESPACE", "PODS", "INGRESS", "EGRESS", "DENY ALL", "NOT ISOLATED"},
		Right:  []bool{false, true, true, true},
	}
	for _, n := range r.Namespaces {
		t.Rows = append(t.Rows, []string{n.Name, fmt.Sprint(n.Pods), of(n.Ingress, n.Pods),
			of(n.Egress, n.Pods), denyAllWord(n.DenyAll), p.few(n.NotIsolated, 3)})
	}
	// One namespace is its own sum.
	if len(r.Namespaces) != 1 {
		t.Rows = append(t.Rows, []string{"all", fmt.Sprint(r.Pods), of(r.Ingress, r.Pods),
			of(r.Egress, r.Pods), "", fmt.Sprintf("isolated: %.0f%% ingress, %.0f%% egress",
				coverage.Percent(r.Ingress, r.Pods), coverage.Percent(r.Egress, r.Pods))})
	}
	p.table(t)
	if len(r.Host) > 0 {
		p.line("  ", "\nOut of reach of any policy (hostNetwork): %s: %s",
			inspect.Count(len(r.Host), "pod"), p.few(r.Host, 3))
	}
	if len(r.Audited) > 0 {
		p.line("  ", "\nAudited, so that they isolate nobody: %s: %s",
			inspect.Count(len(r.Audited), "policy"), p.few(r.Audited, 3))
	}
	if len(r.Unused) > 0 {
		p.line("  ", "\nPolicies that select nobody:")
	}
	// A label that is nearly one that pods have is probably what was meant.
	for _, u := range r.Unused {
		meant := ""
		if u.Meant != "" {
			meant = "; meant " + u.Meant + "?"
		}
		p.line("    ", "  %s (%s%s)", u.Policy, u.Selector, meant)
	}
}

// of is "3/5".
func of(n, all int) string { return fmt.Sprintf("%d/%d", n, all) }

// denyAllWord says in which directions everything is denied.
func denyAllWord(directions []string) string {
	switch len(directions) {
	case 0:
		return "no"
	case 1:
		return directions[0]
	default:
		return "yes"
	}
}
