package sysdump

import (
	"context"
	"io"
	"path"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/inspect/agent"
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

// file is one answer of an agent.
type file struct {
	name string
	text []byte
	err  error
}

// Agents adds what the agents say, some at a time, and the ends of their logs.
func (a *Archive) Agents(ctx context.Context, client kubernetes.Interface, list []agents.Agent) {
	for _, one := range list {
		a.YAML(path.Join("nodes", one.Node, "agent-pod.yaml"), []any{agentPod(one.Pod)}, nil)
	}
	for _, files := range agent.Each(ctx, agents.Clients(list), func(ctx context.Context,
		c agent.Client) ([]file, error) {
		return answers(ctx, c), nil
	}) {
		for _, f := range files.Value {
			a.Text(f.name, f.text, f.err)
		}
	}
	// Logs come from the API server, also of an agent that does not answer.
	a.logs(ctx, client, list)
}

// answers are the files of one agent.
func answers(ctx context.Context, c agent.Client) (files []file) {
	for name, at := range map[string]string{"status.json": agent.StatusPath,
		"state.json": agent.StatePath, "metrics.txt": agent.MetricsPath} {
		f := file{name: path.Join("nodes", c.Node, name)}
		body, err := c.Open(ctx, at)
		// What was read before an answer broke off is kept.
		if err == nil {
			f.text, err = io.ReadAll(io.LimitReader(body, largest))
			_ = body.Close()
		}
		f.err = err
		files = append(files, f)
	}
	return files
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

// logLines is how much of a log is kept.
const logLines = 2000

// logs adds the end of the log of each agent.
func (a *Archive) logs(ctx context.Context, client kubernetes.Interface, list []agents.Agent) {
	files := make([]file, len(list))
	var running sync.WaitGroup
	places := make(chan struct{}, 16) // are asked for at once
	for i, one := range list {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			// The end of a log has what is wrong now.
			lines := int64(logLines)
			text, err := client.CoreV1().Pods(one.Pod.Namespace).GetLogs(one.Pod.Name,
				&corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
			files[i] = file{path.Join("nodes", one.Node, "log.txt"), text, err}
		})
	}
	running.Wait()
	for _, f := range files {
		a.Text(f.name, f.text, f.err)
	}
}
