package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/lint"
)

// newLintCmd is the verb that finds mistakes in policies.
func newLintCmd() *cobra.Command {
	var o answerOptions
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Find what is probably wrong with policies, and say what to do",
		Long: `Find what is probably wrong with policies: selectors and port names that nobody has, rules
without effect, parts that match nothing, ipBlocks of pods and Services, egress without DNS,
policies of other engines. Each finding has a file and line (not from a cluster), a field, and what
to do. Give the pods or workloads beside the policies: without any, the checks that need them are
left out.

  -o sarif   for code review tools (SARIF 2.1.0)

The exit code is 0 if nothing is found, 1 if something is, 2 after an error. --strict is for other
verbs: lint always ends with 1 then.

Checks:
` + checkList(),
		Example: `  picket lint -f deploy/demo
  picket lint -R -f manifests -o sarif > lint.sarif
  kubectl kustomize overlays/prod | picket lint -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLint(cmd, &o) },
	}
	o.bind(cmd, "sarif")
	return cmd
}

// checkList describes all checks.
func checkList() string {
	var b strings.Builder
	for _, c := range lint.Checks() {
		fmt.Fprintf(&b, "  %-19s %s\n", c.ID, c.About)
	}
	return b.String()
}

// runLint prints the findings.
func runLint(cmd *cobra.Command, o *answerOptions) error {
	quiet := *cmd
	quiet.SetErr(io.Discard) // what is wrong with files is among the findings
	l, err := o.load(&quiet)
	// Without anything that was read there is nothing to look at.
	if err != nil && l == nil {
		return err
	}
	findings := shown(lint.Run(l.Cluster, l.Files), l.Shown)
	if o.output == "sarif" {
		err = printSARIF(cmd.OutOrStdout(), findings)
	} else {
		doc := struct {
			Findings []lint.Finding `json:"findings"`
		}{findings}
		err = o.print(cmd.OutOrStdout(), "Lint", doc, func(p *page) {
			p.lint(findings, len(l.Policies), len(l.Pods))
		})
	}
	if err == nil && len(findings) > 0 {
		return exit.Code(1)
	}
	return err
}

// shown returns the findings about objects of a namespace, itself, and what is in none, such as a
// file that can't be read; all where it is empty.
func shown(findings []lint.Finding, namespace string) []lint.Finding {
	return slices.DeleteFunc(findings, func(f lint.Finding) bool {
		_, name, _ := strings.Cut(f.Object, " ")
		of, _, within := strings.Cut(name, "/")
		return namespace != "" && of != namespace && (within || strings.HasPrefix(f.Object, "Namespace "))
	})
}

// lint writes the findings.
func (p *page) lint(findings []lint.Finding, policies, pods int) {
	for _, f := range findings {
		colour, place := terminal.Warning, f.File
		if f.Severity == lint.Error {
			colour = terminal.Bad
		}
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		what := strings.TrimSpace(f.Object + " " + f.Field)
		if place != "" {
			p.line("  ", "%s", place)
		}
		// A finding about all of a file has no object.
		if what != "" {
			what = ": " + what
		}
		p.line("  ", "%s %s%s", p.Paint(colour, f.Severity), f.Check, what)
		p.line("    ", "  %s", f.Message)
		p.line("    ", "  %s %s", p.arrow, f.Fix)
	}
	about := fmt.Sprintf("%s, %s", policyCount(policies), inspect.Count(pods, "pod"))
	// A clean report without pods would promise too much.
	if pods == 0 {
		about += " (without pods the checks that need them are left out)"
	}
	if len(findings) == 0 {
		p.line("  ", "nothing found: %s", about)
		return
	}
	p.line("  ", "\n%s: %s", inspect.Count(len(findings), "finding"), about)
}

// policyCount is "1 policy" or "3 policies".
func policyCount(n int) string { return inspect.Count(n, "policy") }

// printSARIF writes the findings for tools.
func printSARIF(out io.Writer, findings []lint.Finding) error {
	run := sarif.NewRunWithInformationURI("picket", "https://github.com/picket-project/picket")
	// Every check is a rule of the run, so that tools show what was looked for.
	for _, c := range lint.Checks() {
		run.AddRule(c.ID).WithDescription(c.About).WithName(c.ID)
	}
	for _, f := range findings {
		text := fmt.Sprintf("%s. %s", f.Message, f.Fix)
		if what := strings.TrimSpace(f.Object + " " + f.Field); what != "" {
			text = what + ": " + text
		}
		result := sarif.NewRuleResult(f.Check).WithLevel(f.Severity).
			WithMessage(sarif.NewTextMessage(text))
		// What comes from a cluster has no place. Lines count from 1; a finding about all of a
		// file is at its first.
		if f.File != "" {
			where := sarif.NewPhysicalLocation().
				WithArtifactLocation(sarif.NewSimpleArtifactLocation(f.File)).
				WithRegion(sarif.NewRegion().WithStartLine(max(1, f.Line)))
			result.AddLocation(sarif.NewLocation().WithPhysicalLocation(where))
		}
		run.AddResult(result)
	}
	report := sarif.NewReport()
	report.AddRun(run)
	if err := report.PrettyWrite(out); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	_, err := fmt.Fprintln(out)
	return err
}
