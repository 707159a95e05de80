package policy

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Policy is a NetworkPolicy as far as it could be understood. It never changes.
type Policy struct {
	Key
	Subjects *Selector
	Audit    AuditMode
	Isolates [2]bool   // by ruleset.Direction (spec.policyTypes), unless the policy is audited
	Rules    [2][]Rule // by ruleset.Direction (spec.ingress, spec.egress)
	Problems []Problem // what could not be understood
	Revision Revision

	text string // of Key; empty: not made
}

// String is namespace/name. All who keep the name of a parsed policy share one string.
func (p Policy) String() string {
	if p.text != "" {
		return p.text
	}
	return p.Key.String()
}

// Revision says which version of its object a policy is. The zero value is that of a file.
type Revision struct {
	UID             string // metadata.uid: an object of the same name that comes later has another
	Generation      int64  // metadata.generation, which grows with each change of the spec
	ResourceVersion string
}

// Enforces reports whether the policy isolates the pod in a direction. One that is audited does not.
func (p *Policy) Enforces(pod Pod, ns Namespace, d ruleset.Direction) bool {
	return !p.Audited(ns) && p.Selects(pod, ns, d)
}

// Selects reports whether the policy is about the pod in a direction, enforced or audited.
func (p *Policy) Selects(pod Pod, ns Namespace, d ruleset.Direction) bool {
	return p.Isolates[d] && p.Subjects.Matches(pod, ns)
}

// NamesPorts reports whether a rule for ingress has a port by name: which number it
// means depends on the subject.
func (p *Policy) NamesPorts() bool {
	named := func(r Rule) bool { return len(r.Names) > 0 }
	return slices.ContainsFunc(p.Rules[ruleset.Ingress], named)
}

// Rule is one entry of spec.ingress or spec.egress. A rule that names peers or ports of
// which none could be understood allows nothing.
type Rule struct {
	Index   int             // in spec.ingress or spec.egress
	AnyPeer bool            // from or to is absent or empty
	Pods    []*Selector     // peers chosen by selectors
	Blocks  []ruleset.Range // peers chosen by ipBlocks, disjoint and sorted
	AnyPort bool            // ports is absent or empty
	Ports   []Ports         // by number, one entry a protocol
	Names   []PortName      // by name, Number 0
}

// PeerPods returns the selectors of peers that are pods. A rule without peers that has
// port names selects every pod, since only a pod can have such a port.
func (r *Rule) PeerPods() []*Selector {
	if r.AnyPeer && len(r.Names) > 0 {
		return []*Selector{EveryPod()}
	}
	return r.Pods
}
