// Package input has the flags that say which manifests a verb reads. It reads them and tells what
// is wrong with them.
package input

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// Flags say which manifests a verb reads, and whether problems in them are errors. All verbs that
// read manifests once have them.
type Flags struct {
	Paths, Kustomizations []string
	Recursive, strict     bool
	Namespace             string // of -n: of objects and names without one; empty: not given
	PathFlag              string // that gave Paths, for errors; empty: --manifests
}

// Given reports whether there is anything to read.
func (f *Flags) Given() bool { return len(f.Paths)+len(f.Kustomizations) > 0 }

// Bind adds the flags to those of a verb.
func (f *Flags) Bind(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.Paths, "manifests", "f", nil,
		"file or folder of manifests, or - for the standard input; may be given several times")
	flags.StringArrayVarP(&f.Kustomizations, "kustomize", "k", nil,
		"folder with a kustomization, which is built as kubectl kustomize does: what it names "+
			"elsewhere is fetched by http or git; may be given several times")
	flags.BoolVarP(&f.Recursive, "recursive", "R", false,
		"read folders with all that are below them")
	flags.BoolVar(&f.strict, "strict", false,
		"do nothing and exit with 1 if the manifests have problems")
}

const expected = "expected a file or folder of Kubernetes manifests"

// Load reads the manifests and prints what is wrong with them. With --strict that is an error.
func (f *Flags) Load(cmd *cobra.Command) (*inspect.Input, error) {
	in, err := f.Read(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return in, f.tell(in, cmd.ErrOrStderr())
}

// LoadComplete is Load for verbs that ask about addresses: if no pod has one, it makes them up.
func (f *Flags) LoadComplete(cmd *cobra.Command) (policy.Objects, error) {
	in, err := f.Read(cmd.InOrStdin())
	if err != nil {
		return policy.Objects{}, err
	}
	if err := in.Complete(); err != nil {
		return policy.Objects{}, err
	}
	return in.Objects, f.tell(in, cmd.ErrOrStderr())
}

// Read reads the manifests.
func (f *Flags) Read(stdin io.Reader) (*inspect.Input, error) {
	if !f.Given() {
		return nil, errors.New("--manifests is missing; " + expected)
	}
	built, err := buildAll(f.Kustomizations)
	if err != nil {
		return nil, err
	}
	in, err := inspect.Read(manifests.Input{Paths: f.Paths, Recursive: f.Recursive, Stdin: stdin,
		Texts: built, Namespace: f.Namespace})
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", cmp.Or(f.PathFlag, "--manifests"), err, expected)
	}
	return in, nil
}

// tell prints problems and notes; with --strict problems are an error.
func (f *Flags) tell(in *inspect.Input, stderr io.Writer) error {
	for _, p := range in.Problems {
		Tell(stderr, "warning", p)
	}
	for _, n := range in.Notes {
		Tell(stderr, "note", n)
	}
	return f.Refuse(len(in.Problems), stderr)
}

// Refuse ends the verb where there are problems, with --strict. It is an answer, not an error: what
// was to be found was found.
func (f *Flags) Refuse(problems int, stderr io.Writer) error {
	if !f.strict || problems == 0 {
		return nil
	}
	fmt.Fprintf(stderr, "picket: --strict: %s in the manifests\n", inspect.Count(problems, "problem"))
	return exit.Code(1)
}

// Tell prints a line about the manifests: a warning or a note.
func Tell(stderr io.Writer, kind, line string) {
	line = terminal.Clean(kind + ": " + line)
	fmt.Fprintln(stderr, terminal.Fold(line, terminal.Width(stderr), "  "))
}
