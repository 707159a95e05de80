// Package lint finds what is probably wrong with policies: parts that match nothing, selectors that
// select nobody, rules that have no effect. Each finding says where it is and what to do.
//
//	Cluster, Input ── Check ──▶ []Finding, sorted by place
//
// A check that needs pods is left out where there are none: policies alone do not say whom they
// select. Checks is the list of all of them; their ids never change their meaning.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// The severities of a finding.
const (
	Error   = "error"   // a part is not in force
	Warning = "warning" // it is in force, and hardly what was meant
)

// Finding is one thing that is probably wrong.
type Finding struct {
	Check    string `json:"check"` // id
	Severity string `json:"severity"`
	Object   string `json:"object"`         // NetworkPolicy shop/db
	Field    string `json:"field"`          // spec.ingress[0].from[1]; may be empty
	File     string `json:"file,omitempty"` // empty: read from a cluster
	Line     int    `json:"line,omitempty"` // 1-based; 0: not known
	Message  string `json:"message"`        // what is wrong
	Fix      string `json:"fix"`            // what to do
}

// Check is one kind of mistake.
type Check struct {
	ID       string
	Severity string
	About    string
	Pods     bool // it needs pods
	run      func(*linter)
}

// Checks lists all checks.
func Checks() []Check {
	return []Check{
		{"not-understood", Error, "a part that cannot be understood matches nothing", false,
			(*linter).notUnderstood},
		{"file-problem", Error, "a file or object that cannot be read as it is meant", false,
			(*linter).fileProblems},
		{"empty-file", Warning, "a file or folder that holds no object", false,
			(*linter).emptyFiles},
		{"other-engine", Warning, "a policy of another engine, which nothing here enforces", false,
			(*linter).otherEngines},
		{"rules-ignored", Error, "rules of a direction that policyTypes leaves out", false,
			(*linter).rulesIgnored},
		{"duplicate-rule", Warning, "a rule that another one of the policy covers", false,
			(*linter).duplicateRules},
		{"duplicate-policy", Warning, "two policies of a namespace that say the same", false,
			(*linter).duplicatePolicies},
		{"port-name-of-block", Error, "a port name for addresses, which have none", false,
			(*linter).portNamesOfBlocks},
		{"unknown-namespace", Warning, "a policy in a namespace that is not there", true,
			(*linter).unknownNamespaces},
		{"selects-nobody", Warning, "a podSelector that selects no pod", true,
			(*linter).selectsNobody},
		{"selects-host-pods", Warning, "a podSelector of pods that no policy can select", true,
			(*linter).selectsHostPods},
		{"peer-is-nobody", Warning, "a peer that no pod is", true, (*linter).peersNobody},
		{"port-name-unknown", Error, "a port name that no pod has", true, (*linter).portNames},
		{"port-of-service", Warning, "a port of the Service, where the pod's is meant", true,
			(*linter).servicePorts},
		{"block-of-pods", Warning, "an ipBlock that is a part of the pods' addresses", true,
			(*linter).blocksOfPods},
		{"block-of-service", Warning, "an ipBlock with a Service's address", true,
			(*linter).blocksOfServices},
		{"no-dns", Warning, "egress is allowed, but not to the DNS pods", true, (*linter).noDNS},
	}
}

// linter collects findings.
type linter struct {
	cluster  *ask.Cluster
	files    *inspect.Input // nil: read from a cluster
	check    Check
	findings []Finding
	known    map[string][]ask.Pod  // the pods of selectors, by their texts
	serving  []map[policy.Key]bool // the pods of each Service, made when they are asked for first
}

// Run runs all checks. files may be nil.
func Run(c *ask.Cluster, files *inspect.Input) []Finding {
	l := &linter{cluster: c, files: files, findings: []Finding{}, known: map[string][]ask.Pod{}}
	for _, check := range Checks() {
		if check.Pods && len(c.Pods) == 0 {
			continue
		}
		l.check = check
		check.run(l)
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field))
	})
	return l.findings
}

// at is a field of a policy or, without a namespace, of the namespace of that name.
type at struct {
	policy policy.Key
	field  string
}

// add adds a finding about a field: what is wrong, and what to do.
func (l *linter) add(where at, message, fix string) {
	f := Finding{Check: l.check.ID, Severity: l.check.Severity,
		Object: policy.Problem{Policy: where.policy}.Object(), Field: where.field, Message: message,
		Fix: fix}
	if l.files != nil {
		place := l.files.Place(where.policy, where.field)
		f.File, f.Line = place.File, place.Line
	}
	l.findings = append(l.findings, f)
}

// fieldOf is the path of a rule.
func fieldOf(d ruleset.Direction, index int) string { return fmt.Sprintf("spec.%s[%d]", d, index) }

// peersOf is the name of the list of peers in a rule.
func peersOf(d ruleset.Direction) string {
	if d == ruleset.Ingress {
		return "from"
	}
	return "to"
}

// eachRule hands over every rule of every policy.
func (l *linter) eachRule(each func(*policy.Policy, ruleset.Direction, policy.Rule)) {
	for _, p := range l.cluster.Policies {
		for _, d := range ruleset.Directions {
			for _, r := range p.Rules[d] {
				each(p, d, r)
			}
		}
	}
}

// subjects returns the pods that a policy selects.
func (l *linter) subjects(p *policy.Policy) []ask.Pod { return l.selected(p.Subjects) }

// selected returns the pods that a selector selects.
func (l *linter) selected(s *policy.Selector) []ask.Pod {
	if pods, asked := l.known[s.String()]; asked {
		return pods
	}
	var pods []ask.Pod
	for _, p := range l.cluster.Pods {
		if l.cluster.Selects(s, p) {
			pods = append(pods, p)
		}
	}
	l.known[s.String()] = pods
	return pods
}
