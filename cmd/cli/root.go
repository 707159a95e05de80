// Package cli is the command line. Each verb is a file, or a package if it has parts: it parses its
// flags, calls the packages below, and prints. Only here those packages are connected to each
// other.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
)

// Main runs the command line and returns the exit code: 0 for yes or nothing found, 1 for no or
// something found, 2 after an error, which it prints as one line.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(Commands(), args, streams{stdin, stdout, stderr})
}

// Commands is the whole command line, as it is before any arguments are read.
func Commands() *cobra.Command {
	root := newRootCmd()
	root.AddCommand(nodeVerbs()...)
	root.AddCommand(localVerbs()...)
	root.AddCommand(newWhyCmd(), newWhoCanCmd(), newReachCmd(), newCoverageCmd(), newLintCmd(), newDiffCmd())
	root.AddCommand(newRenderCmd(), newMatrixCmd(), newKernelCmd(), newStatusCmd(), newCheckCmd(),
		newSysdumpCmd(), newDropsCmd(), newReportCmd())
	return root
}

// NodeMain is Main with the verbs that a node needs, and no others: the linker leaves out what they
// do not use.
func NodeMain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.Long = root.Short + `.
This program is for nodes. The verbs for people (why, lint, diff and others) are in the command line
of the same release, picket or kubectl-picket.`
	root.AddCommand(nodeVerbs()...)
	// The verb for people asks other nodes as well, and brings a client for that.
	root.AddCommand(newNodeKernelCmd(), newNodeDropsCmd())
	s := streams{stdin, stdout, stderr}
	run := func(args []string) int { return execute(root, args, s) }
	if calledAsNetpol() {
		return runNetpol(args, run, s)
	}
	return run(args)
}

// streams are those of the process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// execute runs the verb that the arguments name.
func execute(root *cobra.Command, args []string, s streams) int {
	// Without arguments cobra would take those of the process.
	root.SetArgs(append([]string{}, args...))
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.Execute()
	// Flags are read before the verb is looked for, so their error comes first.
	if err != nil && len(args) > 0 && isUnknown(root, args[0]) {
		err = noVerb(root, args)
	}
	// A verb that returns an exit.Code has printed what there was to say.
	var code exit.Code
	switch {
	case errors.As(err, &code):
		return int(code)
	case err != nil:
		tellError(s.err, err)
		return failed
	}
	return 0
}

// tellError prints an error. Parts of it can be what somebody else says, such as an agent.
func tellError(stderr io.Writer, err error) {
	for line := range strings.Lines("picket: " + terminal.Clean(err.Error())) {
		fmt.Fprintln(stderr, terminal.Fold(strings.TrimRight(line, "\n"), terminal.Width(stderr), "  "))
	}
}

// failed is the exit code after an error.
const failed = 2

// newRootCmd is picket itself, with the one verb that every program has.
func newRootCmd() *cobra.Command {
	// Cobra prints no errors: Main does, and without the usage.
	root := &cobra.Command{
		Use:           "picket",
		Short:         "NetworkPolicy for clusters whose network plugin has none",
		SilenceUsage:  true,
		SilenceErrors: true,
		// A verb is short: two letters that differ are enough for a suggestion.
		SuggestionsMinimumDistance: 2,
		Args:                       noVerb,
		Annotations:                map[string]string{cobra.CommandDisplayNameAnnotation: programName()},
		// With a function of its own the command refuses verbs that it does not have. Without one,
		// cobra would print the help for them and succeed.
		RunE: runRoot,
	}
	// The verbs inherit this from the root command.
	root.SetFlagErrorFunc(flagError)
	foldHelp(root)
	root.AddCommand(newVersionCmd())
	root.Flags().Bool("version", false, "print the version, as the verb does")
	return root
}

// runRoot prints the help, or the version. Cobra's own --version would print it by a template, and
// a program that can run templates is half as big again: the linker must keep every method.
func runRoot(cmd *cobra.Command, _ []string) error {
	if asked, err := cmd.Flags().GetBool("version"); err == nil && asked {
		_, err = fmt.Fprint(cmd.OutOrStdout(), versionLine())
		return err
	}
	return cmd.Help()
}

// noVerb refuses a verb that does not exist, and says which one was probably meant.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		meant = "; meant " + strings.Join(like, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), meant)
}

// isUnknown reports whether a word is neither a flag nor a verb.
func isUnknown(root *cobra.Command, word string) bool {
	is := func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) }
	return !strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "__") &&
		!slices.ContainsFunc(root.Commands(), is)
}

// programName is how the program was called: as a plugin of kubectl, or by its own name.
func programName() string {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if strings.HasPrefix(name, "kubectl-picket") || strings.HasPrefix(name, "kubectl_picket") {
		return "kubectl picket"
	}
	return "picket"
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
