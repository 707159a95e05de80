package agents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/source/client"
)

// Label is what pods of agents are found by, in the one namespace that is looked at: a label alone
// would let anybody who can make a pod answer for a node.
const Label = "app.kubernetes.io/name=picket"

// component tells agents from other pods with the label.
const component = "app.kubernetes.io/component"

// flannelLabel is what pods of flannel's chart have. With Picket's image they run the agent beside
// flannel, in a container that starts netpol.
const (
	flannelLabel = "app=flannel"
	netpol       = "/bin/netpol"
)

// Fleet is how to reach the agents of a cluster.
type Fleet struct {
	Config    *rest.Config
	Namespace string // of the agents
	Version   string // of this program
	// Patience is how long the API server may take to list the agents, and each of them for an answer.
	Patience time.Duration
}

// ErrNone says that there is no agent where they are looked for.
var ErrNone = errors.New("no agent")

// Agent is a pod that an agent runs in.
type Agent struct {
	agent.Client
	Pod *corev1.Pod
}

// Container is the name of the container that the agent runs in.
func (a Agent) Container() string { return agentContainer(a.Pod).Name }

// Agents lists the agents, one a node, sorted by node. None is an error.
func (f Fleet) Agents(ctx context.Context) ([]Agent, error) {
	list, err := f.list(ctx, "")
	if err == nil && len(list) == 0 {
		err = f.none(ErrNone)
	}
	return list, err
}

// none says where agents were looked for.
func (f Fleet) none(err error) error {
	return fmt.Errorf("%w: no pod with the label %s in %s; elsewhere: --agent-namespace, with "+
		"flannel's chart kube-flannel", err, Label, f.Namespace)
}

// Of returns the agent of one node.
func (f Fleet) Of(ctx context.Context, node string) (Agent, error) {
	// The API server knows where pods are, so that only one is listed.
	list, err := f.list(ctx, "spec.nodeName="+node)
	if err == nil && len(list) == 0 {
		err = f.none(fmt.Errorf("%w on %s", ErrNone, node))
	}
	if err != nil {
		return Agent{}, err
	}
	return list[0], nil
}

// list lists agents of the nodes that a selector of fields names.
func (f Fleet) list(ctx context.Context, fields string) ([]Agent, error) {
	api, err := client.New(f.Config)
	if err != nil {
		return nil, err
	}
	if f.Patience > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.Patience)
		defer stop()
	}
	var found []*corev1.Pod
	// Agents of an installation of their own come before those of flannel's chart.
	for _, label := range []string{Label, flannelLabel} {
		// One question finds all agents, wherever they run.
		pods, err := api.Pods(f.Namespace).List(ctx,
			metav1.ListOptions{LabelSelector: label, FieldSelector: fields})
		if err != nil {
			return nil, fmt.Errorf("list the agents' pods in %s: %w", f.Namespace, err)
		}
		if found = onePerNode(pods.Items); len(found) > 0 {
			break
		}
	}
	var list []Agent
	for _, pod := range found {
		// Nothing is sent before the agent is asked for something.
		r := relay{f.Config, api, pod}
		list = append(list, Agent{agent.Client{Node: pod.Spec.NodeName, Version: f.Version,
			Patience: f.Patience, Dial: r.dial}, pod})
	}
	return list, nil
}

// onePerNode returns the pod of each node's agent: while one replaces another, the one that runs, and
// of two of them the younger.
func onePerNode(pods []corev1.Pod) (list []*corev1.Pod) {
	for i := range pods {
		p := &pods[i]
		if p.Spec.NodeName != "" && hasAgent(p) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Spec.NodeName, b.Spec.NodeName), cmp.Compare(rank(a), rank(b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time))
	})
	// The first of each node is the one that is likeliest to answer.
	return slices.CompactFunc(list, func(a, b *corev1.Pod) bool {
		return a.Spec.NodeName == b.Spec.NodeName
	})
}

// hasAgent reports whether an agent runs in a pod, as far as its labels and containers say.
func hasAgent(p *corev1.Pod) bool {
	if p.Labels["app"] == "flannel" {
		return slices.ContainsFunc(p.Spec.Containers, startsNetpol)
	}
	// The Job that cleans up has the same name, and is no agent.
	other := p.Labels[component] != "" && p.Labels[component] != "agent"
	return !other && len(p.Spec.Containers) > 0
}

// startsNetpol reports whether a container is the one of flannel's chart that enforces policies.
func startsNetpol(c corev1.Container) bool { return len(c.Command) > 0 && c.Command[0] == netpol }

// rank is lower for pods that are likelier to answer.
func rank(p *corev1.Pod) int {
	switch {
	case p.Status.Phase != corev1.PodRunning:
		return 2
	case p.DeletionTimestamp != nil:
		return 1
	default:
		return 0
	}
}

// Clients are the agents as those who ask them see them.
func Clients(list []Agent) []agent.Client {
	all := make([]agent.Client, len(list))
	for i, a := range list {
		all[i] = a.Client
	}
	return all
}
