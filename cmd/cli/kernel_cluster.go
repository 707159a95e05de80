package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/ruleset/policy"
)

// newKernelCmd is the verb as people have it: it asks this node's agent, or those of a cluster.
func newKernelCmd() *cobra.Command {
	var o kernelOptions
	cmd := &cobra.Command{
		Use:   "kernel [POD]",
		Short: "Show what a node's kernel holds for a pod, and whether that is right",
		Long: `Show the rules of a pod in the kernel of its node, who is meant by them, which policies they come
from, and how many packets they have denied; and compare them with what the agent wants. Without POD
the isolated pods are listed, of all nodes or of --node.

On a node, as root and without flags that name a cluster, the agent of that node is asked, else
those of the cluster: by exec of their own program in their pods, with your rights (pods/exec).
` + aboutNft + `
The exit code is 0 if the kernels hold what they should, 1 if one does not, 2 after an error, and if
an agent could not be asked.`,
		Example: `  picket kernel shop/backend
  picket kernel --node node-2
  picket kernel shop/backend -o nft
  picket kernel --all -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd, nftFormats()...)
	cmd.Flags().BoolVar(&o.all, "all", false, "the rules of all isolated pods")
	cmd.Flags().StringVar(&o.node, "node", "", "the only node to be asked")
	cmd.ValidArgsFunction = o.completePods
	return cmd
}

// run asks the agent of this node, of the pod's, or those of all nodes.
func (o *kernelOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.Validate(); err != nil {
		return err
	}
	// Who is on the node and names no cluster means that node.
	if o.node == "" && o.isHere(cmd.Context()) {
		return o.here(cmd, args)
	}
	fleet, namespace, err := o.fleet(o.reach)
	if err != nil {
		return err
	}
	// Without a pod each node is a part of the answer.
	if len(args) == 0 && o.output == nftFormat {
		return o.nodeAsNft(cmd, fleet)
	}
	if len(args) == 0 {
		return o.fleetKernels(cmd, fleet)
	}
	pod, err := keyOf(args[0], namespace)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(cmd.Context(), o.reach.patience)
	defer stop()
	state, err := stateOfPod(ctx, fleet, pod)
	if err != nil {
		return err
	}
	return o.answerOf(cmd, state, []string{pod.String()})
}

// nodeAsNft prints the table of the one node that is named.
func (o *kernelOptions) nodeAsNft(cmd *cobra.Command, fleet agents.Fleet) error {
	if o.node == "" {
		return errWhichNode
	}
	ctx, stop := context.WithTimeout(cmd.Context(), o.reach.patience)
	defer stop()
	state, err := stateOfNode(ctx, fleet, o.node)
	if err != nil {
		return err
	}
	return o.answerOf(cmd, state, nil)
}

// stateOfPod asks the agent of a pod's node.
func stateOfPod(ctx context.Context, fleet agents.Fleet, key policy.Key) (*agent.State, error) {
	api, err := client.New(fleet.Config)
	if err != nil {
		return nil, err
	}
	pod, err := api.Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", key, err)
	}
	// The agent knows nothing of such pods, and would say that nobody isolates them.
	switch {
	case pod.Spec.HostNetwork:
		return nil, fmt.Errorf("pod %s is on its node's network (hostNetwork), where no policy selects "+
			"it: the kernel holds nothing for it", key)
	case pod.Spec.NodeName == "":
		return nil, fmt.Errorf("pod %s is on no node yet (%s)", key, pod.Status.Phase)
	}
	return stateOfNode(ctx, fleet, pod.Spec.NodeName)
}

// kernelsReport is the answer of kernel for several nodes.
type kernelsReport struct {
	Right    bool           `json:"right"` // of all that could be asked
	Nodes    []kernelReport `json:"nodes"`
	NotAsked []unasked      `json:"notAsked"`
}

// fleetKernels asks the agents of all nodes, or of one.
func (o *kernelOptions) fleetKernels(cmd *cobra.Command, fleet agents.Fleet) error {
	list, err := agentsOf(cmd.Context(), fleet, o.node)
	if err != nil {
		return err
	}
	// The answers are whole programs, so only some are in memory at a time.
	nodes, not := answered(agent.Each(cmd.Context(), list, func(ctx context.Context,
		c agent.Client) (r kernelReport, err error) {
		state, err := c.State(ctx)
		if err == nil {
			r = newKernelReport(state, nil)
		}
		return r, err
	}))
	report := kernelsReport{Right: true, Nodes: append([]kernelReport{}, nodes...), NotAsked: not}
	// A node that could not be asked makes no other one wrong.
	for _, r := range nodes {
		report.Right = report.Right && r.Right
	}
	err = o.print(cmd.OutOrStdout(), "Kernels", report, func(p *page) { p.kernels(report, o.all) })
	// What is not known weighs more than what is wrong: the answer is not whole.
	switch {
	case err != nil:
		return err
	case len(not) > 0:
		return exit.Code(failed)
	case !report.Right:
		return exit.Code(1)
	}
	return nil
}

// kernels writes what several kernels hold.
func (p *page) kernels(r kernelsReport, full bool) {
	for i, node := range r.Nodes {
		if i > 0 {
			p.WriteString("\n")
		}
		// An agent of another version can differ in what it wants.
		p.line("", "NODE %s, agent %s", node.Node, node.Agent)
		p.kernel(node, full)
	}
	p.notAsked(r.NotAsked)
}

// completePods completes the names of pods.
func (o *kernelOptions) completePods(cmd *cobra.Command, args []string, _ string) (
	[]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	// Workloads have three parts, and nodes are no pods.
	names := slices.DeleteFunc(o.complete(cmd, endNames), func(name string) bool {
		return strings.Count(name, "/") != 1 || strings.HasPrefix(name, "node/")
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
