package controller

import (
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// A version is in force from the commit on that follows it, and metadata alone makes no new one.
func TestRevisions(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	key := policy.Key{Namespace: "shop", Name: "api"}
	set := func(generation int64, version string) graph.Event {
		return graph.PolicySet{Policy: &policy.Policy{Key: key,
			Revision: policy.Revision{Generation: generation, ResourceVersion: version}}}
	}
	api := func(generation int64, version string, since, after, waiting int) []Revision {
		r := Revision{Policy: "shop/api", Generation: generation, ResourceVersion: version,
			Waiting: int64(waiting), After: time.Duration(after) * time.Second}
		if since > 0 {
			r.Since = at(since)
		}
		return []Revision{r}
	}
	r := newRevisions()
	for _, step := range []struct {
		what   string
		event  graph.Event
		when   int
		commit bool
		want   []Revision
	}{
		{"it has come", set(1, "10"), 1, false, api(0, "", 0, 0, 1)},
		{"and is in force", nil, 3, true, api(1, "10", 3, 2, 0)},
		{"a label of it changes", set(1, "11"), 4, false, api(1, "10", 3, 2, 0)},
		{"which is nothing new", nil, 5, true, api(1, "11", 3, 2, 0)},
		{"its rules change", set(2, "12"), 6, false, api(1, "11", 3, 2, 2)},
		{"and are in force", nil, 7, true, api(2, "12", 7, 1, 0)},
		{"it is deleted", graph.PolicyGone{Key: key}, 8, false, api(2, "12", 7, 1, 0)},
		{"and was in force until now", nil, 9, true, nil},
	} {
		if step.commit {
			r.committed(at(step.when))
		} else {
			r.arrived(step.event, at(step.when))
		}
		got := r.list()
		if len(got) != len(step.want) || len(got) > 0 && got[0] != step.want[0] {
			t.Errorf("%s: %+v; expected %+v", step.what, got, step.want)
		}
	}
}
