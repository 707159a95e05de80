package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/drops"
)

// newDropsCmd is the verb as people have it: it asks this node's agent, or those of a cluster.
func newDropsCmd() *cobra.Command {
	var o dropsOptions
	cmd := &cobra.Command{
		Use:   "drops",
		Short: "Show which packets were denied lately, and which policies isolate the pod",
		Long: aboutDrops + `
On a node, as root and without flags that name a cluster, the agent of that node is asked, else
those of the cluster: by exec of their own program in their pods, with your rights (pods/exec).

The exit code is 0 if nothing was denied (what audits let through was not), 1 if something was, 2
after an error, and if an agent could not be asked.`,
		Example: `  picket drops
  picket drops -w -n shop
  picket drops --from shop/stranger --node node-2 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, o.asked) },
	}
	o.bind(cmd)
	o.bindFilter(cmd)
	cmd.Flags().StringVar(&o.node, "node", "", "the only node to be asked")
	return cmd
}

// asked are the agents that the flags mean; none is an error.
func (o *dropsOptions) asked(ctx context.Context) ([]agent.Client, error) {
	// On a node it is that node that is meant, unless a flag says otherwise.
	if o.node == "" && o.isHere(ctx) {
		return here(), nil
	}
	fleet, _, err := o.fleet(o.reach)
	if err != nil {
		return nil, err
	}
	return agentsOf(ctx, fleet, o.node)
}

// follow prints drops as they come, each as a document of its own, until ctx ends or no agent
// answers any more.
func (o *dropsOptions) follow(ctx context.Context, cmd *cobra.Command, all []agent.Client) error {
	// Neither channel has room: what is not printed yet waits in the agents, which bound it.
	coming, ended := make(chan drops.Drop), make(chan error)
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer running.Wait()
	defer stop()
	// Each agent is followed by a goroutine, and one prints.
	for _, c := range all {
		running.Go(func() {
			err := o.each(ctx, c, agent.DropsPath+"?follow=1", func(d drops.Drop) {
				select {
				case coming <- d:
				case <-ctx.Done():
				}
			})
			// An agent ends an answer that goes on only when it ends itself.
			if err == nil {
				err = fmt.Errorf("the agent of %s has ended", c.Node)
			}
			select {
			case ended <- err:
			case <-ctx.Done():
			}
		})
	}
	// Rows of all agents stand under one header.
	rows := newDropRows(o.wants.namespace)
	var errs []error
	for len(errs) < len(all) {
		select {
		case <-ctx.Done():
			return nil // whoever follows has seen enough
		case err := <-ended:
			// The others go on; the last error ends the verb.
			errs = append(errs, err)
			if len(errs) < len(all) {
				tellError(cmd.ErrOrStderr(), err)
			}
		case d := <-coming:
			if err := o.printDrop(cmd.OutOrStdout(), d, rows); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errs[len(errs)-1]
}

// printDrop prints one drop of those that are followed.
func (o *dropsOptions) printDrop(out io.Writer, d drops.Drop, rows *dropRows) error {
	switch o.output {
	// A line each, for programs that read lines.
	case "json":
		return json.NewEncoder(out).Encode(d)
	case "yaml":
		if _, err := io.WriteString(out, "---\n"); err != nil {
			return err
		}
	}
	return o.print(out, "Drop", d, func(p *page) { p.drop(d, rows) })
}
