package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

func newSandboxCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try policies on real packets, on this machine, before they are applied",
		Long: `Try policies on real packets before they are applied: the nodes and pods of some manifests become network
namespaces of this machine, with the real agent on every node. No cluster and no image is needed, and no root
where the kernel lets users have namespaces; what runs on this machine otherwise is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSandboxRunCmd(&sandboxRun{}), newSandboxUpCmd(), newSandboxExecCmd(), newSandboxDownCmd())
	return cmd
}

// sandboxOptions are the flags of every verb that builds a sandbox.
type sandboxOptions struct {
	inputFlags
	deny string
}

func (o *sandboxOptions) bind(flags *pflag.FlagSet) {
	o.inputFlags.bind(flags)
	flags.StringVar(&o.deny, "deny", "drop", "what happens to a denied packet: drop or reject")
}

// Validate checks what the flags can be checked for alone.
func (o *sandboxOptions) Validate() error {
	if _, err := ruleset.ParseDenial(o.deny); err != nil {
		return fmt.Errorf("--deny: %w", err)
	}
	return nil
}

// enter runs a verb inside of namespaces of its own. SIGINT and SIGTERM end its context, and make the exit
// code the one that a shell gives.
func enter(cmd *cobra.Command, verb func(context.Context) error) error {
	inside, code, err := sandbox.Enter(commandLine(cmd))
	switch {
	case err != nil:
		return err
	case !inside && code != 0:
		return exitCode(code)
	case !inside:
		return nil
	}
	return interruptible(cmd.Context(), verb)
}

// interruptible runs a verb of which SIGINT and SIGTERM are the end, whatever else it returns then.
func interruptible(ctx context.Context, verb func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() { cancel(exitCode(128 + int((<-signals).(syscall.Signal)))) }()
	err := verb(ctx)
	var signaled exitCode
	if errors.As(context.Cause(ctx), &signaled) {
		return signaled
	}
	return err
}

// commandLine is what makes this program come to the same verb with the same flags. The verbs that need it
// have no other arguments.
func commandLine(cmd *cobra.Command) []string {
	var line []string
	for c := cmd; c.HasParent(); c = c.Parent() {
		line = append(line, c.Name())
	}
	slices.Reverse(line)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, several := f.Value.(pflag.SliceValue); several {
			values = list.GetSlice()
		}
		for _, v := range values {
			line = append(line, "--"+f.Name+"="+v)
		}
	})
	return line
}
