// Package folder is the source that reads manifests, and goes on to watch them.
package folder

import (
	"context"

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
	return manifests.Watch(ctx, f.Paths, func(u manifests.Update) { deliver(newMail(u)) })
}

func newMail(u manifests.Update) source.Mail {
	m := source.Mail{Synced: true, Complaints: map[string]string{}, Blind: u.Unread}
	for _, change := range u.Changes {
		m.Events = append(m.Events, event(change))
	}
	for _, p := range u.Problems {
		if earlier := m.Complaints[p.File]; earlier != "" {
			m.Complaints[p.File] = earlier + "; "
		}
		m.Complaints[p.File] += p.Error()
	}
	return m
}

// event converts what became of one object.
func event(c manifests.Change) graph.Event {
	if c.Gone() {
		return graph.GoneOf(c.Kind.New(), policy.Key{Namespace: c.Namespace, Name: c.Name})
	}
	return graph.EventOf(c.Object)
}
