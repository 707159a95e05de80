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
	UID        string `json:"uid"`
	// ResourceVersion is that of the last object that does the same.
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
	held    map[policy.Key]held
	waiting map[policy.Key]arrival      // what the kernel may not hold yet
	spaces  map[string]policy.AuditMode // of namespaces that say anything
}

// held is a version that the kernel holds, and what it is of.
type held struct {
	Revision
	of identity
}

// identity is equal for versions of a policy that do the same. An annotation that has it audited
// makes no other generation, and another object of the same name begins with the first one.
type identity struct {
	uid        string
	generation int64 // 0, of a file, is equal to none
	audit      policy.AuditMode
	ofSpace    policy.AuditMode // what the namespace says, where the policy says nothing
}

// arrival is a version that has come, or that there is none any more.
type arrival struct {
	of      identity
	version string // resourceVersion
	at      time.Time
	gone    bool
}

// same reports whether what has come does what the kernel does already.
func (a arrival) same(h held) bool { return a.of == h.of && a.of.generation != 0 }

// newRevisions returns those of a kernel that is not known.
func newRevisions() *revisions {
	return &revisions{held: map[policy.Key]held{}, waiting: map[policy.Key]arrival{},
		spaces: map[string]policy.AuditMode{}}
}

// arrived takes over what an event says of a policy.
func (r *revisions) arrived(e graph.Event, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Only policies have versions that people wait for.
	switch e := e.(type) {
	case graph.PolicySet:
		p := e.Policy
		of := identity{uid: p.Revision.UID, generation: p.Revision.Generation, audit: p.Audit}
		r.waiting[p.Key] = arrival{of: r.inSpace(p.Key, of), version: p.Revision.ResourceVersion, at: at}
	case graph.PolicyGone:
		r.waiting[e.Key] = arrival{at: at, gone: true}
	case graph.NamespaceSet:
		r.audit(e.Namespace.Name, e.Namespace.Audit, at)
	case graph.NamespaceGone:
		r.audit(e.Name, policy.AuditUnsaid, at)
	}
}

// inSpace returns the identity of a policy with what its namespace says.
func (r *revisions) inSpace(key policy.Key, of identity) identity {
	if of.ofSpace = policy.AuditUnsaid; of.audit == policy.AuditUnsaid {
		of.ofSpace = r.spaces[key.Namespace]
	}
	return of
}

// audit takes over what a namespace says of its policies. For each that says nothing itself it is
// another version.
func (r *revisions) audit(namespace string, mode policy.AuditMode, at time.Time) {
	if mode == r.spaces[namespace] {
		return
	}
	if r.spaces[namespace] = mode; mode == policy.AuditUnsaid {
		delete(r.spaces, namespace)
	}
	for key, h := range r.held {
		if _, newer := r.waiting[key]; key.Namespace == namespace && !newer {
			r.waiting[key] = arrival{of: h.of, version: h.ResourceVersion, at: at}
		}
	}
	for key, a := range r.waiting {
		if key.Namespace == namespace && !a.gone {
			a.of = r.inSpace(key, a.of)
			r.waiting[key] = a
		}
	}
}

// committed says that the kernel holds all that has arrived.
func (r *revisions) committed(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.waiting {
		before, known := r.held[key]
		switch {
		case a.gone:
			delete(r.held, key)
		// Only other metadata has changed, so that nothing is in force since now.
		case known && a.same(before):
			before.ResourceVersion = a.version
			r.held[key] = before
		default:
			r.held[key] = held{of: a.of, Revision: Revision{Policy: key.String(),
				Generation: a.of.generation, UID: a.of.uid, ResourceVersion: a.version, Since: now,
				After: now.Sub(a.at)}}
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
		before, known := all[key]
		if a.gone || known && a.of == before.of {
			continue
		}
		before.Policy, before.Waiting = key.String(), a.of.generation
		all[key] = before
	}
	list := make([]Revision, 0, len(all))
	for _, h := range all {
		list = append(list, h.Revision)
	}
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

// problemOf says what is wrong with a policy, namespace/name; empty: nothing.
func (h *Health) problemOf(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bad[policyKind+" "+name]
}
