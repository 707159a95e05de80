// Package folder is the source that reads manifests, and goes on to watch them.
package folder

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// Folder is a Source of manifests: files, and the files of folders, watched. Of two objects with
// one name that of the later path counts.
type Folder struct{ Paths []string }

// Run delivers what the files state, and what changes in them as soon as it does.
func (f Folder) Run(ctx context.Context, deliver func(source.Mail)) error {
	return manifests.Watch(ctx, f.Paths, func(u manifests.Update) { deliver(folderMail(u)) })
}

func folderMail(u manifests.Update) source.Mail {
	m := source.Mail{Synced: true, Complaints: map[string]string{}, Blind: u.Unread}
	for _, change := range u.Changes {
		m.Events = append(m.Events, folderEvent(change))
	}
	for _, p := range u.Problems {
		if earlier := m.Complaints[p.File]; earlier != "" {
			m.Complaints[p.File] = earlier + "; "
		}
		m.Complaints[p.File] += p.Error()
	}
	return m
}

func folderEvent(c manifests.Change) graph.Event {
	key := policy.Key{Namespace: c.Namespace, Name: c.Name}
	switch o := c.Object.(type) {
	case *corev1.Namespace:
		return graph.NamespaceSet{Namespace: policy.NewNamespace(o)}
	case *corev1.Node:
		return graph.NodeSet{Node: policy.NewNode(o)}
	case *networkingv1.NetworkPolicy:
		return graph.PolicySet{Policy: policy.Parse(o)}
	case *corev1.Pod:
		return podEvent(o)
	default:
		return goneEvent(c.Kind, key)
	}
}

// podEvent says that a pod is there, or that it does not count (any more).
func podEvent(p *corev1.Pod) graph.Event {
	if pod, counts := policy.NewPod(p); counts {
		return graph.PodSet{Pod: pod}
	}
	return graph.PodGone{Key: policy.Key{Namespace: p.Namespace, Name: p.Name}}
}

func goneEvent(kind manifests.Kind, key policy.Key) graph.Event {
	switch kind {
	case manifests.Namespace:
		return graph.NamespaceGone{Name: key.Name}
	case manifests.Node:
		return graph.NodeGone{Name: key.Name}
	case manifests.Policy:
		return graph.PolicyGone{Key: key}
	default:
		return graph.PodGone{Key: key}
	}
}
