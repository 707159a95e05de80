package controller

import (
	"fmt"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// badPolicies is what is wrong with policies, and with namespaces: their keys are names without a
// namespace. There can be very many: each costs as much as itself.
type badPolicies struct {
	parsed   map[policy.Key][]policy.Problem // what could not be understood
	excess   map[policy.Key]policy.Problem   // of those for which there is not enough room here
	told     map[policy.Key]string           // what was logged of each
	deferred deferredEvents                  // of those that have no Event of this node's, so far
	lines    quota
}

// newBadPolicies returns a list of none.
func newBadPolicies() badPolicies {
	return badPolicies{
		parsed: map[policy.Key][]policy.Problem{}, excess: map[policy.Key]policy.Problem{},
		told:     map[policy.Key]string{},
		deferred: newDeferredEvents(),
	}
}

// all returns the problems of one policy.
func (b *badPolicies) all(key policy.Key) []policy.Problem {
	problems := b.parsed[key]
	if p, is := b.excess[key]; is {
		// The limit on the capacity makes append copy the list, which belongs to the policy.
		problems = append(problems[:len(problems):len(problems)], p)
	}
	return problems
}

// setProblems takes over what could not be understood of a policy.
func (c *Controller) setProblems(key policy.Key, problems []policy.Problem) {
	delete(c.bad.parsed, key)
	if len(problems) > 0 {
		c.bad.parsed[key] = problems
	}
	c.reportProblems(key)
}

// checkRoom takes over for which policies there is not enough room.
func (c *Controller) checkRoom() {
	list, news := c.graph.Excess()
	if !news {
		return
	}
	before := c.bad.excess
	c.bad.excess = map[policy.Key]policy.Problem{}
	for _, p := range list {
		c.bad.excess[p.Policy] = p
	}
	// A policy for which there is room again is reported, too.
	for key := range before {
		c.reportProblems(key)
	}
	for key := range c.bad.excess {
		c.reportProblems(key)
	}
	c.Health.beyond(len(list))
}

// reportProblems reports what is wrong with a policy, once for as long as it stays the same.
func (c *Controller) reportProblems(key policy.Key) {
	problems := c.bad.all(key)
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error.Error()
	}
	text := strings.Join(texts, "; ")
	if text == c.bad.told[key] {
		return
	}
	c.Health.policy(key, text)
	delete(c.bad.told, key)
	c.bad.deferred.drop(key)
	if text == "" {
		return
	}
	c.bad.told[key] = text
	c.bad.lines.log(func(more int) {
		kind, name := kindOf(key)
		c.Log.Warn("what a "+kind+" says does not work wholly", kind, name, "problem", text,
			"and others", more)
	})
	c.writeEvent(key)
}

// policyKind is what texts call a policy.
const policyKind = "policy"

// kindOf returns the kind and the name of the object with a key.
func kindOf(key policy.Key) (kind, name string) {
	if key.Namespace == "" {
		return "namespace", key.Name
	}
	return policyKind, key.String()
}

// writeEvent has an Event written where that is up to this node: it has pods that the policy
// selects or, where nobody has any, it is the one of all nodes that is drawn for the policy.
func (c *Controller) writeEvent(key policy.Key) {
	if c.Reporter == nil {
		return
	}
	if !c.source.synced || !c.reportsHere(key) {
		c.bad.deferred.put(key)
		return
	}
	c.bad.deferred.drop(key)
	c.Reporter.Report(c.bad.all(key))
}

// reportsHere reports whether it is up to this node to report a policy.
func (c *Controller) reportsHere(key policy.Key) bool {
	here, anywhere := c.graph.Selected(key)
	return here || !anywhere && c.graph.ChosenNode(key.String()) == c.Node
}

// handleReports looks at an event for what the graph does not do.
func (c *Controller) handleReports(e graph.Event) {
	switch e := e.(type) {
	case graph.PolicySet:
		c.setProblems(e.Policy.Key, e.Policy.Problems)
		c.review.reviewWaiting()
	case graph.NamespaceSet:
		c.setProblems(policy.Key{Name: e.Namespace.Name}, e.Namespace.Problems)
	case graph.NamespaceGone:
		c.setProblems(policy.Key{Name: e.Name}, nil)
	case graph.PolicyGone:
		c.setProblems(e.Key, nil)
		c.review.reviewWaiting()
	}
}

// quota bounds what is logged of things that others can bring about as often as they like.
type quota struct {
	since   time.Time
	lines   int
	skipped int
}

// A minute has room for so many lines.
const linesAMinute = 100

// log writes a line, with how many were left out since the last, if there is room.
func (q *quota) log(line func(skipped int)) {
	if now := time.Now(); now.Sub(q.since) > time.Minute {
		q.since, q.lines = now, 0
	}
	if q.lines++; q.lines > linesAMinute {
		q.skipped++
		return
	}
	line(q.skipped)
	q.skipped = 0
}

// listed is how many bad policies /readyz names.
const listed = 20

// maxMessage is how many bytes of a text are shown of one policy.
const maxMessage = 1024

// shortened is as much of a text as /readyz shows of one policy.
func shortened(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage-3], "") + "..."
}

// policyWarnings names the first of the bad objects, of which the keys are kind and name, and counts
// the others.
func policyWarnings(warnings, bad map[string]string) {
	for _, key := range firstOf(bad, listed) {
		warnings[key] = bad[key]
	}
	if more := len(bad) - listed; more > 0 {
		warnings["policies"] = fmt.Sprintf("%d more do not work wholly; the metric "+
			"picket_policies_with_problems counts all", more)
	}
}
