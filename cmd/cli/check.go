package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
)

// checkOptions are the flags of check.
type checkOptions struct {
	answerOptions
	noPackets bool
}

// grade says whether what was looked at is as it should be.
type grade string

// Wrong and unknown keep Picket from being relied on, bad news alone does not.
const (
	fine    grade = "ok"
	warned  grade = "warning"
	amiss   grade = "wrong"
	unclear grade = "unknown" // it could not be looked at
)

// looked is one thing that was looked at.
type looked struct {
	Part  string `json:"part"`
	Grade grade  `json:"grade"`
	Text  string `json:"text"`
}

// checkReport is the answer of check.
type checkReport struct {
	Right bool     `json:"right"` // nothing is wrong, and nothing that matters unknown
	Parts []looked `json:"parts"`
}

// newCheckCmd is the verb that says whether Picket will work, before it is installed.
func newCheckCmd() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether Picket will work on this node and in this cluster",
		Long: `Look at all that Picket needs, before it is installed: on a node, as root, what the kernel can do,
whether packets between pods of one bridge can be filtered, how kube-proxy works, which other
programs enforce policies, and which connections pass by all rules; then send packets between pods
of a throw-away bridge, without and with a policy. Nothing of the node is changed, but the kernel can
load modules that it is asked about.

Where a cluster can be asked (--kubeconfig, KUBECONFIG), also whether you may install Picket and use
its verbs there, and whether nodes have ranges for pods.

The exit code is 0 if nothing is wrong, 1 if something is or could not be found out, 2 after an
error.`,
		Example: `  picket check
  picket check --no-packets
  picket check --kubeconfig admin.conf -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.BindCluster(cmd.Flags())
	o.bindOutput(cmd)
	cmd.Flags().BoolVar(&o.noPackets, "no-packets", false, "send no packets")
	return cmd
}

// run looks at everything and prints it.
func (o *checkOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(cmd.Context(), 2*time.Minute)
	defer stop()
	// A machine that is no node is not looked at, which is said unless a cluster was asked.
	var r checkReport
	here, err := lookAtNode(ctx, !o.noPackets)
	if err != nil {
		here = []looked{{"this node", unclear, err.Error()}}
	}
	there, asked := o.checkCluster(ctx)
	// Who asks a cluster from elsewhere does not want to know of the own machine.
	if err != nil && asked && !errors.Is(err, errOnNode) {
		here = nil
	}
	r.Parts = append(here, there...)
	r.Right = true
	// What could not be found out is not taken to be well.
	for _, p := range r.Parts {
		r.Right = r.Right && p.Grade != amiss && p.Grade != unclear
	}
	err = o.print(cmd.OutOrStdout(), "Check", r, func(p *page) { p.check(r) })
	if err == nil && !r.Right {
		return exit.Code(1)
	}
	return err
}

// errOnNode says that this is a node, and what keeps it from being looked at.
var errOnNode = errors.New("a node is looked at by root; expected to be run as root")

// checkCluster looks at the cluster, if there is one.
func (o *checkOptions) checkCluster(ctx context.Context) (parts []looked, asked bool) {
	config, _, err := o.Config()
	if err != nil {
		// Before a node is part of a cluster there is none to be asked. A kubeconfig that is there,
		// or was named, and does not work is part of the answer.
		if errors.Is(err, input.ErrNoCluster) && !o.NamesCluster() {
			return nil, false
		}
		return []looked{{"cluster", unclear, err.Error()}}, true
	}
	list, err := lookAtCluster(ctx, config)
	if err != nil {
		return []looked{{"cluster", unclear, err.Error()}}, true
	}
	return list, true
}

// signOf is how a grade is marked, and its colour.
func signOf(g grade) (string, terminal.Colour) {
	switch g {
	case fine:
		return "ok", terminal.Good
	case warned:
		return "!", terminal.Warning
	case amiss:
		return "x", terminal.Bad
	default:
		return "?", terminal.Bad
	}
}

// check writes what was looked at: first what people have to see to.
func (p *page) check(r checkReport) {
	// What people have to see to is told before what is well.
	for _, g := range []grade{amiss, unclear, warned, fine} {
		for _, one := range r.Parts {
			if one.Grade == g {
				sign, colour := signOf(g)
				p.part(p.Paint(colour, sign), one.Part, one.Text)
			}
		}
	}
	text := "\nPicket will work here."
	// The last line sums up, for whoever reads no more.
	if !r.Right {
		text = "\nPicket cannot be relied on here until this is seen to."
	}
	p.line("", "%s", text)
}

// joined is a text of several errors in one line.
func joined(err error) string { return strings.ReplaceAll(fmt.Sprint(err), "\n", "; ") }
