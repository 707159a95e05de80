// Package cli is the command line. Each verb is a file, or a package if it has parts: it parses its
// flags, calls the packages below, and prints. Only here those packages are connected to each
// other.
package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/cmd/cli/exit"
)

// Main runs the command line and returns the exit code: 0, or 1 after an error, which it prints as
// one line.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	// A verb that returns an exit.Code has printed what there was to say.
	var code exit.Code
	switch {
	case errors.As(err, &code):
		return int(code)
	case err != nil:
		fmt.Fprintf(stderr, "picket: %v\n", err)
		return 1
	}
	return 0
}

// newRootCmd is picket itself, with all verbs.
func newRootCmd() *cobra.Command {
	// Cobra prints no errors: Main does, and without the usage.
	root := &cobra.Command{
		Use:           "picket",
		Short:         "NetworkPolicy for clusters whose network plugin has none",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		// With a function of its own the command refuses verbs that it does not have. Without one,
		// cobra would print the help for them and succeed.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// The verbs inherit this from the root command.
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(nodeVerbs()...)
	root.AddCommand(newRenderCmd(), newMatrixCmd(), newVersionCmd())
	return root
}

// flagError says what a flag expects. cobra itself says why the text could not be converted.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		f, expected := invalid.GetFlag(), invalid.GetFlag().Usage
		// The usage of such a flag says what it does, not which values it takes.
		if f.Value.Type() == "bool" {
			expected = "true or false"
		}
		err = fmt.Errorf("--%s %q: expected %s", f.Name, invalid.GetValue(), expected)
	}
	return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
}
