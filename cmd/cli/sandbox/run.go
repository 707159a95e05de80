package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
)

// runOptions are the flags of run.
type runOptions struct {
	options
	timeout time.Duration
	limit   int // of the probes
	output  string
	// distort replaces what the rules say, so that a test can see what a difference does; nil: they
	// are asked as they are.
	distort func(decide) decide
}

// Validate checks what the flags can be checked for alone.
func (o *runOptions) Validate() error {
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("-o %q: expected table or json", o.output)
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout %v: expected more than nothing", o.timeout)
	}
	if o.limit <= 0 {
		return fmt.Errorf("--limit %d: expected more than nothing", o.limit)
	}
	return o.options.Validate()
}

// worthSaying is how long a run must take to be announced.
const worthSaying = 20 * time.Second

// newRunCmd is the verb that sends packets and reports who reaches whom. It gets its options from
// outside, so that a test can change what the rules say.
func newRunCmd(o *runOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --manifests DIR|FILE|-...",
		Short: "Show who reaches whom, by packets, without and with the policies",
		Long: `Show who reaches whom, by packets. Nodes and pods of the manifests become network namespaces, every pod serves
its ports (80/tcp where it declares none) and every other pod tries them: first as the network is, then with the
real agent on every node. What arrives is compared with what the rules say. The exit code is 0 where both agree,
1 where they do not, 2 after an error. Nothing stays behind.

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
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Second,
		"how long a packet's answer is waited for")
	cmd.Flags().IntVar(&o.limit, "limit", 200_000,
		"refuse to begin where more probes would be sent")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "table or json")
	return cmd
}

// run prints the report of what packets did. It returns the exit code 1, without a message, if that
// is not what the rules say.
func (o *runOptions) run(ctx context.Context, cmd *cobra.Command) error {
	p, err := loadPlan(cmd, o.Flags)
	if err != nil {
		return err
	}
	if err := p.checkSize(o.limit); err != nil {
		return err
	}
	if about := p.estimate(); about > worthSaying {
		input.Tell(cmd.ErrOrStderr(), "note", fmt.Sprintf("%d pods, and %d probes twice: about %v",
			len(p.pods), p.probes(), about))
	}
	shown := newProgress(cmd.ErrOrStderr(), len(p.pods)+2*p.probes())
	r, err := o.try(ctx, p, shown)
	shown.end()
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(r.document())
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	// The report has named the differences, so the code alone is left to say.
	if err == nil && len(r.differences()) > 0 {
		return exit.Code(1)
	}
	return err
}

// try builds the cluster and sends all probes twice: before there is an agent, and when all agents
// are ready.
func (o *runOptions) try(ctx context.Context, p *plan, shown progress) (*report, error) {
	// The rules are asked before any packet is sent, and independently of the agents.
	rules := p.rules()
	if o.distort != nil {
		rules = o.distort(rules)
	}
	r := &report{plan: p, trials: p.trials(rules)}
	shown.says("pods  ")
	c, err := p.build(ctx, shown)
	if err != nil {
		return nil, err
	}
	// This ends the agents, too.
	defer c.Close()
	prober := prober{c, o.timeout, shown}
	shown.says("before")
	if err := prober.before(ctx, r.trials); err != nil {
		return nil, err
	}
	// No agent has touched the network of the first probes.
	config, err := configInMemory(p.objects, o.deny)
	if err != nil {
		return nil, err
	}
	if r.warnings, err = startAgents(ctx, c, p.nodes, config); err != nil {
		return nil, err
	}
	shown.says("after ")
	return r, prober.after(ctx, r.trials)
}
