package policy

import (
	"fmt"
	"iter"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// The annotations that have a policy audited: their values are true and false.
const (
	// AuditAnnotation counts on a policy and on a namespace, where it is for all of its policies that
	// say nothing themselves.
	AuditAnnotation = "picket.dev/audit"
	// MonitorAnnotation is the one of kube-router. As there, it counts on policies only.
	MonitorAnnotation = "kube-router.io/network-policy.monitor"
)

// AuditMode is what an object says about audit.
type AuditMode uint8

// The modes. A namespace that says nothing has its policies enforced.
const (
	AuditUnsaid AuditMode = iota
	Audited
	Enforced // false, or a value that cannot be understood
)

// wrongAudit says what to write, and what a wrong value does.
const wrongAudit = `expected "true" or "false"; until this is mended %s enforced`

// audit reads the annotations of an object that count there. What any of them enforces is enforced,
// so that a wrong value never lets anything through.
func (p *parser) audit(annotations map[string]string, effect string, keys ...string) AuditMode {
	mode := AuditUnsaid
	for _, key := range keys {
		value, there := annotations[key]
		one := map[string]AuditMode{"true": Audited, "false": Enforced}[value]
		if there && one == AuditUnsaid {
			p.invalid(field.NewPath("metadata", "annotations").Key(key), value,
				fmt.Sprintf(wrongAudit, effect))
			one = Enforced
		}
		if there {
			mode = max(mode, one)
		}
	}
	return mode
}

// Audited reports whether the policy is audited in its namespace: what it says itself counts first.
func (p *Policy) Audited(ns Namespace) bool {
	return p.Audit == Audited || p.Audit == AuditUnsaid && ns.Audit == Audited
}

// Audits reports whether the policy selects the pod in a direction and is audited, so that it
// isolates nobody.
func (p *Policy) Audits(pod Pod, ns Namespace, d ruleset.Direction) bool {
	return p.Audited(ns) && p.Selects(pod, ns, d)
}

// Effect is what policies do to a pod in a direction.
type Effect uint8

// The effects, each stronger than the one before.
const (
	Frees    Effect = iota // no policy selects it
	Audits                 // those that do are audited: they let through what they would deny
	Isolates               // only what one of them allows gets through
)

// Deciders are the policies that decide about a pod in a direction. The zero value leaves it free.
type Deciders struct {
	// in the order in which they were given; none of several pods at one address that no policy
	// selects together
	Policies []*Policy
	Effect   Effect
}

// Deciding returns the policies that decide about a pod in a direction: those that isolate it or,
// where none does, those that are audited. Beside one that isolates, an audited one has no say: what
// it allows is not allowed yet, and what the others allow it would not deny.
func Deciding(policies iter.Seq[*Policy], pod Pod, ns Namespace, d ruleset.Direction) Deciders {
	var isolate, audit []*Policy
	for p := range policies {
		switch {
		case p.Enforces(pod, ns, d):
			isolate = append(isolate, p)
		case p.Audits(pod, ns, d):
			audit = append(audit, p)
		}
	}
	switch {
	case len(isolate) > 0:
		return Deciders{isolate, Isolates}
	case len(audit) > 0:
		return Deciders{audit, Audits}
	default:
		return Deciders{}
	}
}
