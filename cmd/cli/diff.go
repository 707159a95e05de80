package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset/policy"
)

// diffOptions are the flags of diff; -f names the new policies.
type diffOptions struct {
	askOptions
	base, deleted   []string
	replace, noLive bool
}

// newDiffCmd is the verb that says what a change would cut and open.
func newDiffCmd() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff -f NEW",
		Short: "Say what a change of policies would cut and open, by workload",
		Long: `Say what would be cut and opened if the policies and namespaces of NEW were applied over the
cluster, or over the files of --base: between workloads, on the ports that they declare or a changed
policy names and without a port ("other", such as ICMP), and between them and the internet or the
addresses that a changed policy names. Pods are those of the cluster or of --base. Where a cluster is
asked, so are its agents: which connections that the change would cut are open now.

The exit code is 0 if nothing changes for any pod, 1 if something does, 2 after an error.`,
		Example: `  picket diff -f new-policy.yaml
  picket diff --delete shop/default-deny
  picket diff --base main/manifests -f branch/manifests --replace`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.answerOptions.bind(cmd)
	o.reach.bind(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.noLive, "no-live", false, "do not ask the agents which connections are open")
	f.Lookup("manifests").Usage = "file or folder with the new policies, or - for the standard " +
		"input; may be given several times"
	f.StringArrayVar(&o.base, "base", nil,
		"file or folder of manifests to apply them over, instead of a cluster")
	f.StringArrayVar(&o.deleted, "delete", nil,
		"policy to delete, as NAMESPACE/NAME or NAME; may be given several times")
	f.BoolVar(&o.replace, "replace", false,
		"the new policies are all that there will be: others are deleted")
	return cmd
}

// run compares both states.
func (o *diffOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if !o.Given() && len(o.deleted) == 0 {
		return errors.New("-f is missing; expected files with the new policies, or --delete")
	}
	change := o.Flags
	var err error
	if change.Namespace, err = o.target(); err != nil {
		return err
	}
	// A change can be deletions alone.
	over := &inspect.Input{}
	if change.Given() {
		if over, err = change.Read(cmd.InOrStdin()); err != nil {
			return err
		}
		wrong := tellProblems(cmd.ErrOrStderr(), over)
		if err := change.Refuse(wrong, cmd.ErrOrStderr()); err != nil {
			return err
		}
		if len(over.Objects.Policies)+len(over.Objects.Namespaces) == 0 {
			return errors.New("-f: no NetworkPolicy and no Namespace there; expected files with the new policies")
		}
	}
	// From here on the files are those that the change is applied over.
	o.Paths, o.Kustomizations, o.PathFlag = o.base, nil, "--base"
	l, err := o.Cluster(cmd)
	if err != nil {
		return err
	}
	base := l.Objects
	// Applying leaves the policies that the files do not name.
	if o.replace {
		base.Policies = nil
	}
	after := applied(base, over.Objects, !o.replace)
	if err := o.remove(&after, change.Namespace); err != nil {
		return err
	}
	// Both states have the same Services, which no policy changes.
	then := ask.New(after, l.Services)
	d := diffReport{Diff: reach.Compare(l.Cluster, then)}
	d.Live = o.live(cmd.Context(), d.Diff, l.Cluster, then)
	if err := o.print(cmd.OutOrStdout(), "Diff", d, func(p *page) {
		p.diff(d.Diff)
		p.liveCuts(d.Live)
	}); err != nil {
		return err
	}
	// A script learns by the code that something changes.
	if !d.Empty() || d.Live != nil && len(d.Live.Cuts) > 0 {
		return exit.Code(1)
	}
	return nil
}

// target is the namespace of policies that state none, as kubectl apply finds it: that of -n, or of
// the cluster's context, which is the default one over files.
func (o *diffOptions) target() (string, error) {
	if o.Namespace != "" || len(o.base) > 0 {
		return cmp.Or(o.Namespace, "default"), nil
	}
	_, namespace, err := o.Config()
	return namespace, err
}

// tellProblems tells what is wrong with files that state a change, and counts it; the rest is
// compared. That they state no pods is not wrong.
func tellProblems(stderr io.Writer, in *inspect.Input) int {
	lines := slices.Clone(in.Unclear)
	for _, p := range slices.Concat(in.Wrong, in.Empty) {
		lines = append(lines, p.Error())
	}
	for _, line := range lines {
		input.Tell(stderr, "warning", line)
	}
	return len(lines)
}

// remove takes the policies of --delete out. namespace is that of a name without one.
func (o *diffOptions) remove(objects *policy.Objects, namespace string) error {
	for _, name := range o.deleted {
		k, err := keyOf(name, namespace)
		if err != nil {
			return fmt.Errorf("--delete %w", err)
		}
		before := len(objects.Policies)
		objects.Policies = slices.DeleteFunc(objects.Policies, func(np *networkingv1.NetworkPolicy) bool {
			return np.Namespace == k.Namespace && np.Name == k.Name
		})
		if len(objects.Policies) == before {
			return fmt.Errorf("--delete %q: no policy %s; expected NAMESPACE/NAME, or NAME with -n", name, k)
		}
	}
	return nil
}

// signs are how a change of a policy is marked.
var signs = map[string]string{"added": "+", "changed": "~", "deleted": "-"}

// diff writes what changes.
func (p *page) diff(d reach.Diff) {
	for _, c := range d.Policies {
		p.line("    ", "%s %s", signs[c.Change], c.Policy)
	}
	p.isolations(d.Isolates, "would isolate", "that %s free today")
	p.isolations(d.Frees, "would free", "that %s isolated today")
	if d.Empty() {
		asked := ""
		if len(d.Policies) > 0 {
			asked = ", at a port that one declares or a changed policy names"
		}
		p.line("", "nothing changes for any pod%s", asked)
		return
	}
	p.links("CUTS", d.Cuts, terminal.Bad)
	p.links("OPENS", d.Opens, terminal.Good)
}

// isolations writes which pods begin or cease to be isolated.
func (p *page) isolations(all []reach.Isolation, verb, today string) {
	for i, x := range all {
		if i == shownLinks && !p.wide {
			p.line("  ", "  %d more: -o wide", len(all)-i)
			return
		}
		are := "are"
		if x.Pods == 1 {
			are = "is"
		}
		p.line("      ", "  %s %s of %s for %s, %s (%s)", verb, inspect.Count(x.Pods, "pod"),
			x.Workload, x.Direction, fmt.Sprintf(today, are), strings.Join(x.By, ", "))
	}
}

// only says that something is of one family, if it is.
func only(family string) string {
	if family == "" {
		return ""
	}
	return " over " + family + " only"
}

// shownLinks is how many links are shown without -o wide.
const shownLinks = 20

// links writes what is cut or opened.
func (p *page) links(title string, all []reach.Link, c terminal.Colour) {
	if len(all) == 0 {
		p.line("", "\n%s nothing", p.Paint(c, strings.ToLower(title)))
		return
	}
	p.WriteString("\n")
	t := terminal.Table{Header: []string{p.Paint(c, title), "PAIRS OF PODS"}}
	for i, l := range all {
		if i == shownLinks && !p.wide {
			break
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprintf("%s %s %s %s%s", l.From, p.arrow, l.To, l.Port, only(l.Family)),
			fmt.Sprint(l.Pairs)})
	}
	p.table(t)
	if more := len(all) - len(t.Rows); more > 0 {
		p.line("", "%d more: -o wide", more)
	}
}
