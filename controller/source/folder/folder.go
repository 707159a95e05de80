// Package folder is the source that reads manifests, files and the files of folders, and watches
// them. It needs no API server; package manifests does the reading.
package folder

import (
	"context"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// Source reads files and folders. Of two objects with one name that of the later path counts.
type Source struct{ Paths []string }

// Run delivers what the files state, and then what changes in them, until ctx ends. The error says
// that a path cannot be read at the start.
func (s Source) Run(ctx context.Context, deliver func(source.Mail)) error {
	return manifests.Watch(ctx, s.Paths, func(u manifests.Update) { deliver(newMail(u)) })
}

// newMail converts an update. Each says all problems that there are, so all become complaints, by
// file.
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

// event converts the change of one object.
func event(c manifests.Change) graph.Event {
	if c.Gone() {
		return graph.GoneOf(c.Kind.New(), policy.Key{Namespace: c.Namespace, Name: c.Name})
	}
	return graph.EventOf(c.Object)
}
