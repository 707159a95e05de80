package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// sandboxRun are the flags of sandbox run.
type sandboxRun struct {
	sandboxOptions
	timeout time.Duration
	output  string
	distort func(judge) judge // nil: the rules speak for themselves; for tests of what a difference does
}

// Validate checks what the flags can be checked for alone.
func (o *sandboxRun) Validate() error {
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("-o %q: expected table or json", o.output)
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout %v: expected more than nothing", o.timeout)
	}
	return o.sandboxOptions.Validate()
}

func newSandboxRunCmd(o *sandboxRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --manifests DIR|FILE|-...",
		Short: "Show who reaches whom, by packets, without and with the policies",
		Long: `Show who reaches whom, by packets. Nodes and pods of the manifests become network namespaces, every pod serves
its ports (80/tcp where it declares none) and every other pod tries them: first as the network is, then with the
real agent on every node. What arrives is compared with what the rules say. The exit code is 0 where both agree,
1 where they do not. Nothing stays behind.

What the manifests leave open is made up: nodes, the node of a pod, addresses. Services are not part of it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			return enter(cmd, func(ctx context.Context) error { return o.run(ctx, cmd) })
		},
	}
	o.bind(cmd.Flags())
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Second, "how long a packet's answer is waited for")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "table or json")
	return cmd
}

func (o *sandboxRun) run(ctx context.Context, cmd *cobra.Command) error {
	b, err := loadBlueprint(cmd, o.inputFlags)
	if err != nil {
		return err
	}
	r, err := o.try(ctx, b)
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(r.document())
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	if err == nil && len(r.differences()) > 0 {
		return exitCode(1)
	}
	return err
}

// try builds the cluster and asks everybody twice: before there is an agent, and once all are ready.
func (o *sandboxRun) try(ctx context.Context, b *blueprint) (*report, error) {
	rules := b.rules()
	if o.distort != nil {
		rules = o.distort(rules)
	}
	r := &report{blueprint: b, trials: b.trials(rules)}
	c, err := b.build(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := askBefore(ctx, c, r.trials, o.timeout); err != nil {
		return nil, err
	}
	orders, err := inMemory(b.objects, o.deny)
	if err != nil {
		return nil, err
	}
	if r.warnings, err = startAgents(ctx, c, b.nodes, orders); err != nil {
		return nil, err
	}
	return r, askAfter(ctx, c, r.trials, o.timeout)
}
