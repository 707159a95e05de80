package controller

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// Revision is the version of a policy that the kernel holds.
type Revision struct {
	Policy     string `json:"policy"`     // namespace/name
	Generation int64  `json:"generation"` // metadata.generation; 0: from a file
	// ResourceVersion is that of the last object with this generation.
	ResourceVersion string    `json:"resourceVersion"`
	Since           time.Time `json:"since"` // when the kernel got it
	// After is how long that took from the moment that the agent heard of it.
	After time.Duration `json:"after"`
	// Waiting is the generation that has come since and that the kernel does not hold yet.
	Waiting int64  `json:"waiting,omitempty"`
	Problem string `json:"problem,omitempty"` // what is wrong with the policy
}

// revisions is which version of each policy the kernel holds. There are as many as policies.
type revisions struct {
	mu      sync.Mutex // guards the fields below: the loop writes, any goroutine reads
	held    map[policy.Key]Revision
	waiting map[policy.Key]arrival // what the kernel may not hold yet
}

// arrival is a version that has come, or that there is none any more.
type arrival struct {
	policy.Revision
	at   time.Time
	gone bool
}

// newRevisions returns those of a kernel that is not known.
func newRevisions() *revisions {
	return &revisions{held: map[policy.Key]Revision{}, waiting: map[policy.Key]arrival{}}
}

// arrived takes over what an event says of a policy.
func (r *revisions) arrived(e graph.Event, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Only policies have versions that people wait for.
	switch e := e.(type) {
	case graph.PolicySet:
		r.waiting[e.Policy.Key] = arrival{Revision: e.Policy.Revision, at: at}
	case graph.PolicyGone:
		r.waiting[e.Key] = arrival{at: at, gone: true}
	}
}

// committed says that the kernel holds all that has arrived.
func (r *revisions) committed(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.waiting {
		held, known := r.held[key]
		switch {
		case a.gone:
			delete(r.held, key)
		// Only metadata has changed, so that nothing is in force since now.
		case known && a.Generation != 0 && a.Generation == held.Generation:
			held.ResourceVersion = a.ResourceVersion
			r.held[key] = held
		default:
			r.held[key] = Revision{Policy: key.String(), Generation: a.Generation,
				ResourceVersion: a.ResourceVersion, Since: now, After: now.Sub(a.at)}
		}
	}
	clear(r.waiting)
}

// list returns what the kernel holds, sorted, and what waits without a version in force.
func (r *revisions) list() []Revision {
	r.mu.Lock()
	defer r.mu.Unlock()
	// What is returned is a copy: the loop goes on while it is read.
	all := maps.Clone(r.held)
	for key, a := range r.waiting {
		held, known := all[key]
		if a.gone || known && held.Generation == a.Generation {
			continue
		}
		held.Policy, held.Waiting = key.String(), a.Generation
		all[key] = held
	}
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b Revision) int { return strings.Compare(a.Policy, b.Policy) })
	return list
}

// Revisions says which version of each policy the kernel holds, sorted by policy. Any goroutine may
// call it.
func (c *Controller) Revisions() []Revision {
	list := c.revisions.list()
	// Problems can be there before and after a version is in force.
	for i := range list {
		list[i].Problem = c.Health.problemOf(list[i].Policy)
	}
	return list
}

// problemOf says what is wrong with a policy; empty: nothing.
func (h *Health) problemOf(policy string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bad[policy]
}
