package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/picket-project/picket/controller/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// inputFlags say which manifests a verb reads, and whether problems in them are errors. All verbs
// that read manifests once have them.
type inputFlags struct {
	paths             []string
	recursive, strict bool
}

func (f *inputFlags) bind(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.paths, "manifests", "f", nil,
		"file or folder of manifests, or - for the standard input; may be given several times")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "read folders with all that are below them")
	flags.BoolVar(&f.strict, "strict", false, "do nothing and exit with 1 if the manifests have problems")
}

const expectedManifests = "expected a file or folder of Kubernetes manifests"

// load reads the manifests and prints what is wrong with them. With --strict that is an error.
func (f *inputFlags) load(cmd *cobra.Command) (*input, error) {
	in, err := f.read(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return in, f.tell(in, cmd.ErrOrStderr())
}

// loadComplete is load for verbs that ask about addresses: it makes up what all pods lack.
func (f *inputFlags) loadComplete(cmd *cobra.Command) (policy.Objects, error) {
	in, err := f.read(cmd.InOrStdin())
	if err != nil {
		return policy.Objects{}, err
	}
	if err := in.complete(); err != nil {
		return policy.Objects{}, err
	}
	return in.objects, f.tell(in, cmd.ErrOrStderr())
}

// tell prints problems and notes; with --strict problems are an error.
func (f *inputFlags) tell(in *input, stderr io.Writer) error {
	to := terminalWidth(stderr)
	for _, p := range in.problems {
		fmt.Fprintln(stderr, fold("warning: "+p, to, "  "))
	}
	for _, n := range in.notes {
		fmt.Fprintln(stderr, fold("note: "+n, to, "  "))
	}
	if n := len(in.problems); f.strict && n > 0 {
		return fmt.Errorf("--strict: %s in the manifests", plural(n, "problem"))
	}
	return nil
}

// read reads the manifests, and makes pods for the workloads in them.
func (f *inputFlags) read(stdin io.Reader) (*input, error) {
	if len(f.paths) == 0 {
		return nil, errors.New("--manifests is missing; " + expectedManifests)
	}
	from := manifests.Input{Paths: f.paths, Recursive: f.recursive, Stdin: stdin}
	all, problems, err := from.Load()
	if err != nil {
		return nil, fmt.Errorf("--manifests: %w; %s", err, expectedManifests)
	}
	in := &input{all: all, from: strings.Join(f.paths, ", ")}
	in.copied = f.recursive || slices.Contains(f.paths, manifests.Stdin)
	for _, p := range slices.Concat(problems, all.Empty) {
		in.problems = append(in.problems, p.Error())
	}
	in.unclear = unclear(all)
	in.problems = append(in.problems, in.unclear...)
	in.objects = policy.Objects{
		Namespaces: all.Namespaces, Pods: all.Pods, Nodes: all.Nodes, Policies: all.Policies,
	}
	in.expand()
	in.missing()
	return in, nil
}

// nodeNames returns the nodes that the objects mention, sorted; pods without one are on the node "".
func nodeNames(o policy.Objects) []string {
	names := map[string]bool{}
	for _, n := range o.Nodes {
		names[n.Name] = true
	}
	for _, p := range o.Pods {
		names[p.Spec.NodeName] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// checkNode says which nodes there are, where it is none of them.
func checkNode(o policy.Objects, node string) error {
	known := nodeNames(o)
	if slices.Contains(known, node) {
		return nil
	}
	known = slices.DeleteFunc(known, func(name string) bool { return name == "" })
	if len(known) == 0 {
		return fmt.Errorf("--node-name %q: the manifests name no node; "+
			"expected a Node, or a Pod with spec.nodeName", node)
	}
	return fmt.Errorf("--node-name %q: no node and no pod of the manifests has this name; they have: %s", node, strings.Join(known, ", "))
}

// compileAll compiles the program of every node that the objects mention.
func compileAll(o policy.Objects) map[string]*ruleset.Program {
	programs := map[string]*ruleset.Program{}
	for _, node := range nodeNames(o) {
		programs[node], _ = policy.Compile(o.Snapshot(node))
	}
	return programs
}
