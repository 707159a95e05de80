package sysdump

import (
	"context"
	"fmt"
	"io"
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/ruleset/policy"
)

// Objects adds what the API server has.
func (a *Archive) Objects(objects policy.Objects, services []*corev1.Service) {
	a.YAML("cluster/namespaces.yaml", each(objects.Namespaces, Namespace), nil)
	a.YAML("cluster/nodes.yaml", each(objects.Nodes, Node), nil)
	a.YAML("cluster/pods.yaml", each(objects.Pods, Pod), nil)
	a.YAML("cluster/policies.yaml", each(objects.Policies, Policy), nil)
	a.YAML("cluster/services.yaml", each(services, Service), nil)
}

// each is what is kept of each object.
func each[T any](all []*T, keep func(*T) *T) (kept []any) {
	for _, o := range all {
		kept = append(kept, keep(o))
	}
	return kept
}

// largest bounds what is kept of one answer.
const largest = 64 << 20

// Agents adds what the agents say, some at a time, and the ends of their logs.
func (a *Archive) Agents(ctx context.Context, api *client.Client, list []agents.Agent) {
	byNode := map[string]agents.Agent{}
	for _, one := range list {
		byNode[one.Node] = one
		a.YAML(path.Join("nodes", one.Node, "agent-pod.yaml"), []any{agentPod(one.Pod)}, nil)
	}
	// Each file goes into the archive when it is read: all agents' answers may be more than memory.
	for _, read := range []func(context.Context, agent.Client){
		a.answers,
		// Logs come from the API server, also of an agent that does not answer, and have their own time.
		func(ctx context.Context, c agent.Client) { a.log(ctx, api, byNode[c.Node]) },
	} {
		agent.Each(ctx, agents.Clients(list), func(ctx context.Context, c agent.Client) (none struct{},
			err error) {
			read(ctx, c)
			return none, nil
		})
	}
}

// answers adds the files of one agent.
func (a *Archive) answers(ctx context.Context, c agent.Client) {
	for _, file := range [][2]string{{"status.json", agent.StatusPath}, {"state.json", agent.StatePath},
		{"metrics.txt", agent.MetricsPath}} {
		body, err := c.Open(ctx, file[1])
		a.stream(path.Join("nodes", c.Node, file[0]), body, err, largest)
	}
}

// stream adds what comes from a reader, up to a size. What was read before it broke off is kept.
func (a *Archive) stream(name string, body io.ReadCloser, err error, most int64) {
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(body, most+1))
		_ = body.Close()
	}
	// Half an answer must not pass for a whole one.
	if int64(len(text)) > most {
		text, err = text[:most], fmt.Errorf("cut after %d bytes", most)
	}
	a.Text(name, text, err)
}

// agentPod is the pod of an agent with its image, its flags and how it fares.
func agentPod(p *corev1.Pod) *corev1.Pod {
	kept := Pod(p)
	kept.Status = p.Status
	// The flags of an agent are no secret: its account is a file.
	for i, c := range p.Spec.Containers {
		kept.Spec.Containers[i].Image, kept.Spec.Containers[i].Args = c.Image, c.Args
	}
	return kept
}

// How much of the end of a log is kept. The API server bounds it, and so does who reads.
const (
	logLines = 2000
	logBytes = 8 << 20
)

// log adds the end of the log of an agent: there is what is wrong now.
func (a *Archive) log(ctx context.Context, api *client.Client, from agents.Agent) {
	lines, size := int64(logLines), int64(logBytes+1)
	text, err := api.Log(ctx, from.Pod.Namespace, from.Pod.Name, &corev1.PodLogOptions{
		Container: from.Container(), TailLines: &lines, LimitBytes: &size})
	a.stream(path.Join("nodes", from.Node, "log.txt"), text, err, logBytes)
}
