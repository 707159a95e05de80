package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset/policy"
)

const (
	// deferredAtOnce is how many deferred Events are looked at between two other things. Selectors
	// and namespaces can be large: after deferredAtLeast it is no more than in deferredFor.
	deferredAtOnce  = 100
	deferredAtLeast = 10
	deferredFor     = 10 * time.Millisecond
	// deferredRest is between two such looks at least, and more after one that took long.
	deferredRest = 200 * time.Millisecond
)

// deferredEvents is policies with problems whose Event is another node's to write, so far. Once a pod
// of this node has come, or has other labels, it can be this node's. A tenant can have any number of
// them, and change labels all the time, so that a few are looked at at a time: one of each namespace
// in turn.
type deferredEvents struct {
	in        map[string]*deferredPolicies // by namespace
	queue     []string                     // namespaces that are due, each once
	next      *time.Timer                  // when some are looked at
	scheduled bool                         // it is set
	notBefore time.Time
}

// deferredPolicies is those of one namespace.
type deferredPolicies struct {
	all    map[policy.Key]bool
	left   []policy.Key // of all, when the look at them began
	again  bool         // there is a reason to look at all that is younger than that
	queued bool
}

// newDeferredEvents returns none.
func newDeferredEvents() deferredEvents {
	return deferredEvents{in: map[string]*deferredPolicies{}, next: stoppedTimer()}
}

// put adds a policy, for which nothing is due.
func (d *deferredEvents) put(key policy.Key) {
	if d.in[key.Namespace] == nil {
		d.in[key.Namespace] = &deferredPolicies{all: map[policy.Key]bool{}}
	}
	d.in[key.Namespace].all[key] = true
}

// drop takes a policy out.
func (d *deferredEvents) drop(key policy.Key) {
	x := d.in[key.Namespace]
	if x == nil {
		return
	}
	if delete(x.all, key); len(x.all) == 0 && !x.queued {
		delete(d.in, key.Namespace)
	}
}

// due has all of a namespace looked at.
func (d *deferredEvents) due(namespace string) {
	x := d.in[namespace]
	if x == nil {
		return
	}
	if x.again = true; !x.queued {
		x.queued = true
		d.queue = append(d.queue, namespace)
	}
	d.schedule()
}

// schedule has some looked at after the rest, if any are due.
func (d *deferredEvents) schedule() {
	if !d.scheduled && len(d.queue) > 0 {
		d.scheduled = true
		d.next.Reset(time.Until(d.notBefore))
	}
}

// take returns the next policy to look at; is is false where it is deferred no more.
func (d *deferredEvents) take() (key policy.Key, is bool) {
	namespace := d.queue[0]
	d.queue = d.queue[1:]
	x := d.in[namespace]
	if len(x.left) == 0 {
		x.left, x.again = slices.Collect(maps.Keys(x.all)), false
	}
	if n := len(x.left) - 1; n >= 0 {
		key, x.left = x.left[n], x.left[:n]
		is = x.all[key]
	}
	if x.queued = len(x.left) > 0 || x.again; x.queued {
		d.queue = append(d.queue, namespace)
	} else if len(x.all) == 0 {
		delete(d.in, namespace)
	}
	return key, is
}

// podChanged has the deferred Events of a pod's namespace looked at if the pod is one of this node that
// was not here before, or had other labels.
func (c *Controller) podChanged(was, is policy.Pod) {
	if is.Node == c.Node && c.source.synced &&
		(was.Node != c.Node || !maps.Equal(was.Labels, is.Labels)) {
		c.bad.deferred.due(is.Namespace)
	}
}

// allDeferredDue is for the moment from which on it is known which nodes have pods that a policy
// selects.
func (c *Controller) allDeferredDue() {
	for namespace := range c.bad.deferred.in {
		c.bad.deferred.due(namespace)
	}
	c.writeDeferredEvents()
}

// writeDeferredEvents looks at some of the deferred Events that are due.
func (c *Controller) writeDeferredEvents() {
	d := &c.bad.deferred
	d.scheduled = false
	began := time.Now()
	for n := 0; n < deferredAtOnce && len(d.queue) > 0; n++ {
		if n >= deferredAtLeast && time.Since(began) > deferredFor {
			break
		}
		if key, is := d.take(); is {
			c.writeEvent(key)
		}
	}
	// With a rest of ten times its length, this takes a tenth of the time at most.
	d.notBefore = time.Now().Add(max(deferredRest, 10*time.Since(began)))
	d.schedule()
}
