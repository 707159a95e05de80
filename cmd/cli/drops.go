package cli

import (
	"cmp"
	"context"
	"errors"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/drops"
)

// dropsOptions are the flags of drops. node is the only one that is asked; empty: all.
type dropsOptions struct {
	askOptions
	watch bool
	node  string
	wants dropFilter
}

// aboutDrops is what both forms of the verb say of its answer.
const aboutDrops = `Show which packets the rules of pods have denied: when, who sent them to whom, and which policies
isolate the pod whose rules denied them. A line is the packets of one second. It is a sample, at most
10 packets a second for each pod and direction; how many more were denied is said below it. The pod
that is isolated is certain; the other end is who has the address in the packet. Names are those of
the time of the drop.
`

// newNodeDropsCmd is the verb as the program of nodes has it, which asks the agent of its node.
func newNodeDropsCmd() *cobra.Command {
	var o dropsOptions
	cmd := &cobra.Command{
		Use:   "drops",
		Short: "Show which packets this node has denied lately, and which policies isolate the pod",
		Long: aboutDrops + `
Run it as root on the node, or in the agent's pod:

  kubectl exec -n kube-system PICKET-POD -- /picket drops -w

The exit code is 0 if nothing was denied (what audits let through was not), 1 if something was, 2
after an error.`,
		Example: `  picket drops
  picket drops -w -n shop
  picket drops --from shop/stranger -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd, func(context.Context) ([]agent.Client, error) { return here(), nil })
		},
	}
	o.bindFormats(cmd, usualFormats()...)
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "",
		"only what pods of this namespace send or are sent")
	o.bindFilter(cmd)
	return cmd
}

// here is the agent of this node.
func here() []agent.Client { return []agent.Client{agent.Here(versionText())} }

// bindFilter adds the flags that both forms of the verb have.
func (o *dropsOptions) bindFilter(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&o.watch, "watch", "w", false, "go on with what is denied from now on")
	const end = "this pod or workload (NAMESPACE/NAME), node/NAME or address"
	f.StringVar(&o.wants.from, "from", "", "only from "+end)
	f.StringVar(&o.wants.to, "to", "", "only to "+end)
	f.StringVar(&o.wants.policy, "policy", "",
		"only of pods that this policy isolates (NAMESPACE/NAME)")
}

// run asks agents, and prints what they say.
func (o *dropsOptions) run(
	cmd *cobra.Command, asked func(context.Context) ([]agent.Client, error),
) error {
	// -n says which drops are wanted, and in which namespace names without one are.
	o.wants.namespace = o.Namespace
	if err := errors.Join(o.Validate(), o.wants.Validate()); err != nil {
		return err
	}
	// Following ends with Ctrl-C, and that is no error.
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	all, err := asked(ctx)
	// Who follows wants what comes; who does not wants the whole of it in order.
	switch {
	case err != nil:
		return err
	case o.watch:
		return o.follow(ctx, cmd, all)
	default:
		return o.lately(ctx, cmd, all)
	}
}

// dropsReport is the answer of drops.
type dropsReport struct {
	Drops    []drops.Drop `json:"drops"` // the oldest first
	NotAsked []unasked    `json:"notAsked"`
}

// lately prints what was denied lately.
func (o *dropsOptions) lately(ctx context.Context, cmd *cobra.Command, all []agent.Client) error {
	lists, not := answered(agent.Each(ctx, all, func(ctx context.Context, c agent.Client) (
		list []drops.Drop, err error) {
		err = o.each(ctx, c, agent.DropsPath, func(d drops.Drop) {
			// An agent keeps fewer; one that lies must not fill the memory.
			if len(list) < mostDrops {
				list = append(list, d)
			}
		})
		return list, err
	}))
	// Who asks one agent alone gets its error as such.
	if len(lists) == 0 && len(all) == 1 {
		return errors.New(not[0].Why)
	}
	report := dropsReport{append([]drops.Drop{}, slices.Concat(lists...)...), not}
	// The clocks of nodes agree well enough to tell what came first.
	slices.SortStableFunc(report.Drops, func(a, b drops.Drop) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Node, b.Node))
	})
	err := o.print(cmd.OutOrStdout(), "Drops", report, func(p *page) { p.drops(report, o.wants) })
	switch {
	case err != nil:
		return err
	// An answer that lacks a node is not the answer.
	case len(not) > 0:
		return exit.Code(failed)
	// What audited policies would deny was let through.
	case slices.ContainsFunc(report.Drops, func(d drops.Drop) bool { return !d.Audited }):
		return exit.Code(1)
	}
	return nil
}

// each reads the drops of one agent that are wanted, until the answer ends.
func (o *dropsOptions) each(
	ctx context.Context, c agent.Client, path string, do func(drops.Drop),
) error {
	// The agent sends all; what is wanted is chosen here.
	return agent.Lines(ctx, c, path, func(d drops.Drop) {
		if o.wants.matches(d) {
			do(d)
		}
	})
}

// mostDrops is how many of one agent are kept.
const mostDrops = 10_000
