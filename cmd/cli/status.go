package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/status"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/ruleset/policy"
)

// statusOptions are the flags of status.
type statusOptions struct {
	askOptions
	wait    bool
	timeout time.Duration
}

// newStatusCmd is the verb that says whether all is well, and whether a policy is in force.
func newStatusCmd() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [node/NAME | netpol/[NAMESPACE/]NAME]",
		Short: "Say whether all nodes enforce policies, or whether one policy is in force yet",
		Long: `Say whether all is well on all nodes; on one node, with all that people have to see to there; or on
which nodes a policy is in force as the API server has it now, since when, and how long it took.

The agents are asked by exec of their own program in their pods, with your rights (pods/exec). A
node whose agent does not answer is not taken to be well. On a node without a kubeconfig root is
told of that node.

The exit code is 0 if all is well, or the policy in force on all nodes with pods that it selects, 1
if not, 2 after an error.`,
		Example: `  picket status
  picket status node/node-3
  picket status netpol/default-deny -n shop
  kubectl apply -f policy.yaml && picket status netpol/api -n shop --wait`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the policy is in force on all nodes")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait")
	cmd.ValidArgsFunction = o.completeAbout
	return cmd
}

// run finds out what the question is about.
func (o *statusOptions) run(cmd *cobra.Command, args []string) error {
	// Without an argument the question is about all nodes.
	kind, name := "", ""
	if len(args) > 0 {
		kind, name, _ = strings.Cut(args[0], "/")
	}
	isPolicy := kind == "netpol" || kind == "networkpolicy" || kind == "networkpolicies"
	switch {
	case len(args) > 0 && (name == "" || kind != "node" && !isPolicy):
		return fmt.Errorf("%q: expected node/NAME or netpol/NAME", args[0])
	// Nodes come and go by themselves; only of a policy it is known when it has arrived.
	case o.wait && !isPolicy:
		return errors.New("--wait: expected netpol/NAME, which can come into force")
	}
	fleet, namespace, err := o.fleet(o.reach)
	// On a node without a kubeconfig that node's own agent can be asked.
	if err != nil && kind == "" && o.isHere(cmd.Context()) {
		return o.ofAgent(cmd, agent.Here(versionText()))
	}
	if err != nil {
		return err
	}
	// What an agent says of its node is held against nothing.
	if kind == "node" {
		one, err := fleet.Of(cmd.Context(), name)
		if err != nil {
			return err
		}
		return o.ofAgent(cmd, one.Client)
	}
	var about policy.Key
	if isPolicy {
		if about, err = keyOf(name, namespace); err != nil {
			return err
		}
	}
	// What the API server has is what the agents are held against.
	l, err := o.load(cmd)
	if err != nil {
		return err
	}
	if kind == "" {
		return o.ofFleet(cmd, l, fleet)
	}
	return o.ofPolicy(cmd, question{l, fleet, about})
}

// question is what is to be known of one policy; without one, of all.
type question struct {
	*input.Loaded
	fleet agents.Fleet
	about policy.Key
}

// nodesOf asks the agents of the nodes that keep wants, about one policy if the question is about
// one, and adds nodes of the cluster without an agent.
func nodesOf(ctx context.Context, q question, keep func(string) bool) ([]status.Node, error) {
	list, err := q.fleet.Agents(ctx)
	// Where there is none at all, that is so of each node that is known.
	if err != nil && !errors.Is(err, agents.ErrNone) {
		return nil, err
	}
	// A node with an agent that is not to be asked now is no node without one.
	var asked []agent.Client
	has := map[string]bool{}
	for _, a := range list {
		if has[a.Node] = true; keep(a.Node) {
			asked = append(asked, a.Client)
		}
	}
	var nodes []status.Node
	for _, a := range agent.Each(ctx, asked, q.statusOf) {
		n := status.Node{Name: a.Node, Agent: a.Value}
		if a.Err != nil {
			n.Agent, n.Why = nil, a.Err.Error()
		}
		nodes = append(nodes, n)
	}
	// Only Linux nodes need an agent. Who may not list nodes sees those that have one.
	for _, n := range q.Objects.Nodes {
		if !has[n.Name] && keep(n.Name) && n.Labels[corev1.LabelOSStable] != "windows" {
			nodes = append(nodes, status.Node{Name: n.Name,
				Why: "no agent runs here (looked in " + q.fleet.Namespace + ")"})
		}
	}
	if len(nodes) == 0 {
		return nil, err
	}
	sortNodes(nodes)
	return nodes, nil
}

// statusOf asks one agent.
func (q question) statusOf(ctx context.Context, c agent.Client) (*agent.Status, error) {
	if q.about == (policy.Key{}) {
		return c.Status(ctx, "")
	}
	return c.Status(ctx, q.about.String())
}

// everyNode keeps all of them.
func everyNode(string) bool { return true }

// ofFleet says whether all is well.
func (o *statusOptions) ofFleet(cmd *cobra.Command, l *input.Loaded, fleet agents.Fleet) error {
	nodes, err := nodesOf(cmd.Context(), question{Loaded: l, fleet: fleet}, everyNode)
	if err != nil {
		return err
	}
	// A policy counts as in force only in the version that the API server has.
	generations := map[string]int64{}
	for _, np := range l.Objects.Policies {
		generations[np.Namespace+"/"+np.Name] = np.Generation
	}
	f := status.OfFleet(nodes, generations, time.Now())
	err = o.print(cmd.OutOrStdout(), "Status", f, func(p *page) { p.fleet(f) })
	if err == nil && f.Well < len(f.Nodes) {
		return exit.Code(1)
	}
	return err
}

// ofAgent says what one agent says.
func (o *statusOptions) ofAgent(cmd *cobra.Command, one agent.Client) error {
	if err := o.Validate(); err != nil {
		return err
	}
	answer, err := one.Status(cmd.Context(), "")
	if err != nil {
		return err
	}
	n := newNodeReport(answer, time.Now())
	err = o.print(cmd.OutOrStdout(), "NodeStatus", n, func(p *page) { p.node(n) })
	if err == nil && !n.Well {
		return exit.Code(1)
	}
	return err
}

// again is the pause between two looks of --wait.
const again = 500 * time.Millisecond

// ofPolicy says where a policy is in force, and waits for that.
func (o *statusOptions) ofPolicy(cmd *cobra.Command, q question) error {
	api, err := client.New(q.fleet.Config)
	if err != nil {
		return err
	}
	// Without --wait one look is all.
	deadline := time.Now().Add(o.timeout)
	p, nodes, known := status.Policy{}, map[string]status.Node{}, false
	// Nodes that were well are not asked again: what came into force stays, or is replaced by newer.
	open := everyNode
	for {
		// The policy is that of now, and no older one that the API server has in memory.
		want, err := q.wanted(cmd.Context(), api)
		if err != nil {
			return err
		}
		found, err := nodesOf(cmd.Context(), q, open)
		if err != nil {
			return err
		}
		// An answer replaces the one before it of the same node.
		for _, n := range found {
			nodes[n.Name] = n
		}
		p = status.OfPolicy(want, sorted(nodes))
		known = known || p.Known()
		if p.Done() || !o.wait || time.Now().Add(again).After(deadline) {
			break
		}
		open = notWell(p)
		time.Sleep(again)
	}
	// One that is deleted has been somewhere until now.
	if !known {
		return fmt.Errorf("policy %s: there is none, and no node that was asked holds one", q.about)
	}
	err = o.print(cmd.OutOrStdout(), "PolicyStatus", p, func(x *page) { x.policyStatus(p) })
	if err == nil && !p.Done() {
		return exit.Code(1)
	}
	return err
}

// notWell keeps the nodes on which a policy is not in force yet.
func notWell(p status.Policy) func(string) bool {
	open := map[string]bool{}
	for _, n := range p.Nodes {
		open[n.Node] = n.State == status.No || n.State == status.Unknown
	}
	// A node that was not there at the last look is asked.
	return func(node string) bool {
		is, known := open[node]
		return is || !known
	}
}

// wanted is the policy as the API server has it, and the pods that it was about when they were read.
func (q question) wanted(ctx context.Context, api *client.Client) (status.Wanted, error) {
	w := status.Wanted{Policy: q.about.String(), Pods: map[string]int{}}
	np, err := api.Policies(q.about.Namespace).Get(ctx, q.about.Name,
		metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return w, nil
	case err != nil:
		return w, fmt.Errorf("policy %s: %w", q.about, err)
	}
	// Zero would mean that it is deleted; an API server counts from one.
	w.Generation, w.UID, w.Version = max(np.Generation, 1), string(np.UID), np.ResourceVersion
	parsed := policy.Parse(np)
	w.Audited = parsed.Audited(q.Cluster.Namespace(np.Namespace))
	for _, pod := range q.SelectedBy(parsed) {
		w.Pods[pod.Node]++
	}
	return w, nil
}

// completeAbout completes nodes and policies.
func (o *statusOptions) completeAbout(cmd *cobra.Command, args []string, _ string) (
	[]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return o.complete(cmd, func(l *input.Loaded) (names []string) {
		for _, n := range l.NodeNames() {
			names = append(names, "node/"+n)
		}
		// Policies are named without their namespace, which is that of -n.
		for _, np := range l.Objects.Policies {
			if np.Namespace == l.Namespace {
				names = append(names, "netpol/"+np.Name)
			}
		}
		return names
	}), cobra.ShellCompDirectiveNoFileComp
}
