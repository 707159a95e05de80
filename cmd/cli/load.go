package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/controller/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// load reads manifests for a verb that works offline; what is wrong inside of them is printed as warnings.
func load(path string, stderr io.Writer) (policy.Objects, error) {
	if path == "" {
		return policy.Objects{}, fmt.Errorf("--manifests is missing; expected a file or folder of Kubernetes manifests")
	}
	all, problems, err := manifests.Load(path)
	if err != nil {
		return policy.Objects{}, fmt.Errorf("--manifests: %w; expected a file or folder of Kubernetes manifests", err)
	}
	for _, p := range problems {
		fmt.Fprintf(stderr, "warning: %v\n", p)
	}
	return policy.Objects{Namespaces: all.Namespaces, Pods: all.Pods, Nodes: all.Nodes, Policies: all.Policies}, nil
}

// warn prints what could not be understood in policies.
func warn(stderr io.Writer, problems []policy.Problem) {
	for _, p := range problems {
		fmt.Fprintf(stderr, "warning: %s\n", p)
	}
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
	return fmt.Errorf("--node-name %q: no node and no pod of the manifests has this name; they have: %s", node, strings.Join(known, ", "))
}

// compileAll compiles the program of every node that the objects mention.
func compileAll(o policy.Objects) (map[string]*ruleset.Program, []policy.Problem) {
	programs := map[string]*ruleset.Program{}
	var problems []policy.Problem
	for _, node := range nodeNames(o) {
		programs[node], problems = policy.Compile(o.Snapshot(node))
	}
	return programs, problems
}
