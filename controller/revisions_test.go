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
	space := func(audit policy.AuditMode) graph.Event {
		return graph.NamespaceSet{Namespace: policy.Namespace{Name: "shop", Audit: audit}}
	}
	set := func(generation int64, version string, audit ...policy.AuditMode) graph.Event {
		return graph.PolicySet{Policy: &policy.Policy{Key: key, Audit: append(audit, 0)[0],
			Revision: policy.Revision{UID: "a", Generation: generation, ResourceVersion: version}}}
	}
	other := graph.PolicySet{Policy: &policy.Policy{Key: key,
		Revision: policy.Revision{UID: "b", Generation: 1, ResourceVersion: "20"}}}
	audited := graph.PolicySet{Policy: &policy.Policy{Key: key, Audit: policy.Audited,
		Revision: policy.Revision{UID: "b", Generation: 1, ResourceVersion: "21"}}}
	api := func(generation int64, version string, since, after, waiting int) []Revision {
		r := Revision{Policy: "shop/api", Generation: generation, ResourceVersion: version,
			Waiting: int64(waiting), After: time.Duration(after) * time.Second}
		if since > 0 {
			r.Since, r.UID = at(since), "a"
		}
		return []Revision{r}
	}
	of := func(uid string, list []Revision) []Revision {
		list[0].UID = uid
		return list
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
		{"another of its name comes", other, 8, false, api(2, "12", 7, 1, 1)},
		{"and is in force", nil, 9, true, of("b", api(1, "20", 9, 1, 0))},
		{"it is to be audited", audited, 10, false, of("b", api(1, "20", 9, 1, 1))},
		{"and is", nil, 12, true, of("b", api(1, "21", 12, 2, 0))},
		{"the first is put back", set(2, "22"), 13, false, of("b", api(1, "21", 12, 2, 2))},
		{"and in force", nil, 14, true, api(2, "22", 14, 1, 0)},
		{"its namespace is audited", space(policy.Audited), 15, false, api(2, "22", 14, 1, 2)},
		{"with all of it", nil, 17, true, api(2, "22", 17, 2, 0)},
		{"which changes no version that says so itself", set(3, "23", policy.Enforced), 18, false,
			api(2, "22", 17, 2, 3)},
		{"but its own", nil, 19, true, api(3, "23", 19, 1, 0)},
		{"so that the namespace is nothing to it", space(policy.AuditUnsaid), 20, false,
			api(3, "23", 19, 1, 0)},
		{"ever", nil, 21, true, api(3, "23", 19, 1, 0)},
		{"it is deleted", graph.PolicyGone{Key: key}, 22, false, api(3, "23", 19, 1, 0)},
		{"and was in force until now", nil, 23, true, nil},
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

// What is wrong with a policy stands beside its version, in force or not.
func TestRevisionsNameProblems(t *testing.T) {
	key := policy.Key{Namespace: "shop", Name: "api"}
	c := &Controller{Health: newHealth(), revisions: newRevisions()}
	c.revisions.arrived(graph.PolicySet{Policy: &policy.Policy{Key: key}}, time.Unix(1000, 0))
	c.Health.policy(key, "it matches nothing")
	if list := c.Revisions(); len(list) != 1 || list[0].Problem != "it matches nothing" {
		t.Errorf("%+v", list)
	}
}

// A loop that hangs keeps the node from being ready since it began.
func TestNotReadySinceBusy(t *testing.T) {
	h := newHealth()
	h.set("sync", "")
	h.set("kernel", "")
	begun := time.Now().Add(-time.Minute)
	h.busy = begun
	if since := h.Since().NotReady; h.Readiness().Ready || !since.Equal(begun) {
		t.Errorf("not ready since %v; expected %v", since, begun)
	}
}
