package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset/policy"
)

// askOptions are the flags of verbs that ask agents, and no files.
type askOptions struct {
	answerOptions
	reach agentReach
}

// agentReach are the flags that say how agents are reached in a cluster.
type agentReach struct {
	namespace string
	patience  time.Duration
}

// bind adds the flags to those of a verb.
func (r *agentReach) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.namespace, "agent-namespace", "kube-system",
		"namespace of the agents, with flannel's chart kube-flannel; what its pods say is believed")
	cmd.Flags().DurationVar(&r.patience, "agent-timeout", 10*time.Second,
		"how long agents may take to answer")
}

// bind adds the flags to those of a verb. more are formats beside those that every verb has.
func (o *askOptions) bind(cmd *cobra.Command, more ...string) {
	o.BindCluster(cmd.Flags())
	o.bindOutput(cmd, more...)
	o.reach.bind(cmd)
}

// fleet is how to reach the agents of the cluster, and the namespace of names without one.
func (o *answerOptions) fleet(r agentReach) (f agents.Fleet, namespace string, err error) {
	config, namespace, err := o.Config()
	if err != nil {
		return f, "", err
	}
	if o.Namespace != "" {
		namespace = o.Namespace
	}
	f = agents.Fleet{Config: config, Namespace: r.namespace, Version: versionText(),
		Patience: r.patience}
	return f, namespace, nil
}

// isHere reports whether this node's agent is to be asked and no cluster: where no flag names one,
// and there is an agent on this machine.
func (o *answerOptions) isHere(ctx context.Context) bool {
	if o.NamesCluster() {
		return false
	}
	// Only root gets through, and only where an agent listens.
	conn, err := agent.Here("").Dial(ctx)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// keyOf reads namespace/name, or a name in the namespace of -n.
func keyOf(text, namespace string) (policy.Key, error) {
	first, name, both := strings.Cut(text, "/")
	if !both {
		first, name = namespace, text
	}
	if first == "" || name == "" || strings.Contains(name, "/") {
		return policy.Key{}, fmt.Errorf("%q: expected NAMESPACE/NAME, or NAME with -n", text)
	}
	return policy.Key{Namespace: first, Name: name}, nil
}

// unasked is an agent that gave no answer.
type unasked struct {
	Node string `json:"node"`
	Why  string `json:"why"`
}

// answered sorts answers from what could not be asked.
func answered[T any](all []agent.Answer[T]) (values []T, not []unasked) {
	not = []unasked{} // a list is never null
	// The order stays, which is that of the nodes.
	for _, a := range all {
		if a.Err != nil {
			not = append(not, unasked{a.Node, a.Err.Error()})
		} else {
			values = append(values, a.Value)
		}
	}
	return values, not
}

// notAsked writes which agents gave no answer, and why.
func (p *page) notAsked(list []unasked) {
	for _, u := range list {
		p.line("  ", "? %s could not be asked: %s", u.Node, u.Why)
	}
}

// stateOfNode asks the agent of one node.
func stateOfNode(ctx context.Context, fleet agents.Fleet, node string) (*agent.State, error) {
	one, err := fleet.Of(ctx, node)
	if err != nil {
		return nil, err
	}
	return one.State(ctx)
}

// agentsOf are the agents of a cluster, or that of one node if it is named.
func agentsOf(ctx context.Context, fleet agents.Fleet, node string) ([]agent.Client, error) {
	if node != "" {
		one, err := fleet.Of(ctx, node)
		return []agent.Client{one.Client}, err
	}
	list, err := fleet.Agents(ctx)
	return agents.Clients(list), err
}

// connectionsOf asks all agents for what is open.
func connectionsOf(ctx context.Context, fleet agents.Fleet) ([]agent.Connections, []unasked, error) {
	// A cluster without agents has no answer, not an empty one.
	list, err := fleet.Agents(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, not := answered(agent.Each(ctx, agents.Clients(list), func(ctx context.Context,
		c agent.Client) (agent.Connections, error) {
		return agent.Ask[agent.Connections](ctx, c, agent.ConnectionsPath)
	}))
	return all, not, nil
}
