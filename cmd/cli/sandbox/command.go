// Package sandbox is the verb `picket sandbox`: it tries policies on real packets. The nodes and
// pods of manifests become network namespaces (package cmd/sandbox), with the real agent on each
// node.
//
//	manifests ──▶ plan ──▶ cluster ──▶ probes ──▶ agents ──▶ probes ──▶ report      run
//	                                └▶ agents ──▶ execServer ◀── exec                up, exec, down
//
// The program runs itself again, for what happens inside of the namespaces and for the agents: a
// test of this package must be able to behave like the program.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// NewCommand is the verb with the verbs below it.
func NewCommand() *cobra.Command { return newCommand(&runOptions{}) }

// newCommand is NewCommand with options for run, by which a test can change what the rules say.
func newCommand(run *runOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try policies on real packets, on this machine, before they are applied",
		Long: `Try policies on real packets before they are applied: the nodes and pods of some manifests become network
namespaces of this machine, with the real agent on every node. No cluster and no image is needed, and no root
where the kernel lets users have namespaces; what runs on this machine otherwise is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRunCmd(run), newUpCmd(), newExecCmd(), newDownCmd())
	return cmd
}

// options are the flags of every verb that builds a sandbox.
type options struct {
	input.Flags
	deny string
}

// bind adds the flags for manifests, and --deny, to those of a verb.
func (o *options) bind(flags *pflag.FlagSet) {
	o.Flags.Bind(flags)
	flags.StringVar(&o.deny, "deny", "drop", "what happens to a denied packet: drop or reject")
}

// Validate checks what the flags can be checked for alone.
func (o *options) Validate() error {
	if _, err := ruleset.ParseDenial(o.deny); err != nil {
		return fmt.Errorf("--deny: %w", err)
	}
	return nil
}

// enter runs a verb inside of namespaces of its own: it starts this program again in them, as the
// same verb, which then comes here once more. SIGINT and SIGTERM end the verb's context, and make
// the exit code the one that a shell gives.
func enter(cmd *cobra.Command, verb func(context.Context) error) error {
	if err := loadBridgeFilter(); err != nil {
		return err
	}
	inside, code, err := sandbox.Enter(commandLine(cmd))
	switch {
	case err != nil:
		return err
	// The copy of this program has done all of the verb, and printed what there was to print.
	case !inside && code != 0:
		return exit.Code(code)
	case !inside:
		return nil
	}
	return untilSignal(cmd.Context(), verb)
}

// BridgeSettings is the folder of br_netfilter's settings, which is there only while the module is
// loaded.
const BridgeSettings = "/proc/sys/net/bridge"

// loadBridgeFilter loads br_netfilter where it is not there. Its settings are those of every network
// namespace, inside as outside.
func loadBridgeFilter() error {
	if _, err := os.Stat(BridgeSettings); err == nil {
		return nil
	}
	text, err := exec.Command("modprobe", "br_netfilter").CombinedOutput()
	if _, missing := os.Stat(BridgeSettings); missing == nil {
		return nil
	}
	return fmt.Errorf("the kernel module br_netfilter is not loaded, so packets between pods of one "+
		"node would pass by every policy; run as root: modprobe br_netfilter (tried: %v: %s)", err,
		bytes.TrimSpace(text))
}

// untilSignal runs a verb that SIGINT and SIGTERM end. Then the signal says how it ended, whatever
// the verb returns.
func untilSignal(ctx context.Context, verb func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A shell gives the exit code 128 plus the number of the signal.
	go func() { cancel(exit.Code(128 + int((<-signals).(syscall.Signal)))) }()
	err := verb(ctx)
	var signaled exit.Code
	if errors.As(context.Cause(ctx), &signaled) {
		return signaled
	}
	return err
}

// commandLine returns the arguments that make this program run the same verb with the same flags.
// The verbs that need it have no arguments but flags. Every flag is given as --NAME=VALUE, so that
// no value is taken for a flag.
func commandLine(cmd *cobra.Command) []string {
	var line []string
	// The root command is the program itself, whose name is not among its arguments.
	for c := cmd; c.HasParent(); c = c.Parent() {
		line = append(line, c.Name())
	}
	slices.Reverse(line)
	// Visit leaves out the flags that were not given.
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		// The text of such a flag is a list in brackets, so its values are given one by one.
		if list, several := f.Value.(pflag.SliceValue); several {
			values = list.GetSlice()
		}
		for _, v := range values {
			line = append(line, "--"+f.Name+"="+v)
		}
	})
	return line
}
