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
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// inputFlags say which manifests a verb reads, and how wrong they may be. All verbs that read
// manifests once have them.
type inputFlags struct {
	paths             []string
	recursive, strict bool
}

func (f *inputFlags) bind(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.paths, "manifests", "f", nil,
		"file or folder of manifests, or - for the standard input; give it several times for several of them")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "read folders with all that are below them")
	flags.BoolVar(&f.strict, "strict", false, "do nothing and exit with 1 where the manifests have problems")
}

const expectedManifests = "expected a file or folder of Kubernetes manifests"

// input is what manifests state, and what people have to hear of it.
type input struct {
	all      manifests.Objects
	objects  policy.Objects
	made     bool     // some pods stand for workloads, or the manifests can be read once only
	problems []string // what is wrong, one a line
	unclear  []string // those of them that are parts of policies
	notes    []string // what is right and may surprise, one a line
}

// load reads the manifests and prints what is wrong with them. With --strict that is an error.
func (f *inputFlags) load(cmd *cobra.Command) (*input, error) {
	in, err := f.read(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return in, f.tell(in, cmd.ErrOrStderr())
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
		return fmt.Errorf("%s in the manifests; with --strict nothing is done until mended", plural(n, "problem"))
	}
	return nil
}

// read reads the manifests, and pods for the workloads in them.
func (f *inputFlags) read(stdin io.Reader) (*input, error) {
	if len(f.paths) == 0 {
		return nil, errors.New("--manifests is missing; " + expectedManifests)
	}
	all, problems, err := manifests.Input{Paths: f.paths, Recursive: f.recursive, Stdin: stdin}.Load()
	if err != nil {
		return nil, fmt.Errorf("--manifests: %w; %s", err, expectedManifests)
	}
	pods, workloads := all.Expand()
	in := &input{all: all, made: len(pods) > 0 || f.recursive || slices.Contains(f.paths, manifests.Stdin)}
	in.objects = policy.Objects{
		Namespaces: all.Namespaces, Pods: slices.Concat(all.Pods, pods), Nodes: all.Nodes, Policies: all.Policies,
	}
	for _, p := range slices.Concat(problems, all.Empty) {
		in.problems = append(in.problems, p.Error())
	}
	in.unclear = unclear(all)
	in.problems = append(in.problems, in.unclear...)
	in.missing(f.paths)
	in.standIns(pods, workloads)
	return in, nil
}

// unclear are the parts of policies that cannot be understood, with where they stand.
func unclear(all manifests.Objects) []string {
	var lines []string
	for _, np := range all.Policies {
		key := manifests.Key{Kind: manifests.Policy, Namespace: np.Namespace, Name: np.Name}
		for _, p := range policy.Parse(np).Problems {
			lines = append(lines, all.Problem(key, p.Error).Error())
		}
	}
	return lines
}

// missing says what an answer needs and the manifests do not state: silence would pass for one.
func (in *input) missing(paths []string) {
	from := strings.Join(paths, ", ")
	if others(in.all) == "" && len(in.all.Empty) > 0 {
		return // that is said already
	}
	if !slices.ContainsFunc(in.objects.Pods, running) {
		in.problems = append(in.problems, fmt.Sprintf("%s: no pod that runs%s; expected objects of kind Pod, or of "+
			"one that makes pods, such as Deployment", from, others(in.all)))
	}
	if len(in.all.Policies) == 0 {
		in.notes = append(in.notes, from+": no NetworkPolicy; without one everything is allowed")
	}
}

func running(p *corev1.Pod) bool { return !policy.Finished(p) }

// others says what there is instead of pods.
func others(all manifests.Objects) string {
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{len(all.Policies), "NetworkPolicy"}, {len(all.Namespaces), "Namespace"}, {len(all.Nodes), "Node"},
		{len(all.Pods), "Pod"}, {len(all.Workloads), "workload"}, {all.Skipped, "object"},
	} {
		if c.n > 0 {
			counts = append(counts, plural(c.n, c.what))
		}
	}
	if len(counts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (only %s)", strings.Join(counts, ", "))
}

// standIns says which pods are not stated but made from templates.
func (in *input) standIns(pods []*corev1.Pod, of []manifests.Workload) {
	if len(pods) == 0 {
		return
	}
	var names []string
	for _, w := range of {
		names = append(names, w.String())
	}
	in.notes = append(in.notes, fmt.Sprintf("%s for %s: %s (two at most for each; more are judged alike)",
		plural(len(pods), "pod"), plural(len(of), "workload"), some(names)))
}

// some lists the first few of many.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// loadComplete is load for verbs that ask about addresses: where no pod states one, nodes and
// addresses are made up, else pods without one are left out with a word.
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

var errNoAddress = errors.New("status.podIPs is empty; expected an address; without one the pod is left out")

func (in *input) complete() error {
	stated := func(p *corev1.Pod) bool { return len(policy.PodAddrs(p)) > 0 }
	if slices.ContainsFunc(in.objects.Pods, stated) {
		for _, p := range in.objects.Pods {
			if running(p) && !stated(p) {
				key := manifests.Key{Kind: manifests.Pod, Namespace: p.Namespace, Name: p.Name}
				in.problems = append(in.problems, in.all.Problem(key, errNoAddress).Error())
			}
		}
		return nil
	}
	if !slices.ContainsFunc(in.objects.Pods, running) {
		return nil
	}
	d := newDraft(in.objects, ruleset.Families[:])
	if err := d.complete(); err != nil {
		return err
	}
	in.objects.Pods, in.objects.Nodes = d.pods, d.nodes
	in.notes = append(in.notes, fmt.Sprintf("no pod has an address; those of pods and nodes, and what else is open, "+
		"are made up (nodes: %s)", some(nodeNames(in.objects))))
	return nil
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
	if known = slices.DeleteFunc(known, func(name string) bool { return name == "" }); len(known) == 0 {
		return fmt.Errorf("--node-name %q: the manifests name no node; expected a Node, or a Pod with spec.nodeName", node)
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
