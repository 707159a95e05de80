// Package coverage says which pods have no policy, by namespace, and which policies have no pod.
package coverage

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/likely"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Report is the coverage of a cluster.
type Report struct {
	Namespaces []Namespace `json:"namespaces"`
	Pods       int         `json:"pods"`    // that policies can select
	Ingress    int         `json:"ingress"` // of them isolated for ingress
	Egress     int         `json:"egress"`
	Host       []string    `json:"hostNetwork"` // pods that no policy can select, by name
	Unused     []Unused    `json:"unused"`      // policies that select nobody
	Audited    []string    `json:"audited"`     // policies that isolate nobody, since they are audited
}

// Namespace is the coverage of one namespace.
type Namespace struct {
	Name        string   `json:"name"`
	Pods        int      `json:"pods"` // that policies can select
	Ingress     int      `json:"ingress"`
	Egress      int      `json:"egress"`
	DenyAll     []string `json:"denyAll"`     // directions in which a policy denies all pods everything
	NotIsolated []string `json:"notIsolated"` // workloads with a pod that is free in a direction
}

// Unused is a policy that selects nobody.
type Unused struct {
	Policy   string `json:"policy"`   // namespace/name
	Selector string `json:"selector"` // app=bakend
	Meant    string `json:"meant"`    // what was probably meant; may be empty
}

// Of returns the coverage of a namespace; of all where it is empty.
func Of(c *ask.Cluster, namespace string) Report {
	r := Report{Namespaces: []Namespace{}, Host: []string{}, Unused: []Unused{},
		Audited: []string{}}
	for _, name := range c.NamespaceNames() {
		if namespace == "" || namespace == name {
			r.add(c, name)
		}
	}
	for _, p := range c.Policies {
		if namespace != "" && namespace != p.Namespace {
			continue
		}
		if c.Audited(p) {
			r.Audited = append(r.Audited, p.String())
		}
		if !selectsAny(c, p) {
			text, meant := likely.Selector(c, p.Subjects)
			r.Unused = append(r.Unused, Unused{p.String(), text, meant})
		}
	}
	return r
}

// selectsAny reports whether a policy selects a pod.
func selectsAny(c *ask.Cluster, p *policy.Policy) bool {
	return slices.ContainsFunc(c.Pods, func(pod ask.Pod) bool { return c.Selects(p.Subjects, pod) })
}

// add adds a namespace.
func (r *Report) add(c *ask.Cluster, name string) {
	n := Namespace{Name: name, DenyAll: denyAll(c, name), NotIsolated: []string{}}
	for _, p := range c.Pods {
		if p.Namespace != name {
			continue
		}
		// Its address is its node's, so that no policy selects it.
		if p.Host {
			r.Host = append(r.Host, p.Key.String())
			continue
		}
		n.Pods++
		isolated := [2]bool{}
		for _, d := range ruleset.Directions {
			isolated[d] = len(c.Isolating(p, d)) > 0
		}
		n.count(isolated)
		if free := p.Workload.Name; isolated != [2]bool{true, true} &&
			!slices.Contains(n.NotIsolated, free) {
			n.NotIsolated = append(n.NotIsolated, free)
		}
	}
	// A namespace without pods has nothing to cover.
	if n.Pods > 0 {
		r.Namespaces = append(r.Namespaces, n)
	}
	r.Pods, r.Ingress, r.Egress = r.Pods+n.Pods, r.Ingress+n.Ingress, r.Egress+n.Egress
}

// count counts a pod in the directions in which it is isolated.
func (n *Namespace) count(isolated [2]bool) {
	if isolated[ruleset.Ingress] {
		n.Ingress++
	}
	if isolated[ruleset.Egress] {
		n.Egress++
	}
}

// denyAll returns the directions in which a policy selects every pod of the namespace and has no
// rule.
func denyAll(c *ask.Cluster, namespace string) []string {
	denied := []string{}
	for _, d := range ruleset.Directions {
		is := func(p *policy.Policy) bool {
			return p.Namespace == namespace && p.Isolates[d] && len(p.Rules[d]) == 0 &&
				!c.Audited(p) && selectsAll(c.Spec(p.Key))
		}
		if slices.ContainsFunc(c.Policies, is) {
			denied = append(denied, d.String())
		}
	}
	return denied
}

// selectsAll reports whether a policy selects all pods of its namespace.
func selectsAll(np *networkingv1.NetworkPolicy) bool {
	return np != nil && len(np.Spec.PodSelector.MatchLabels) == 0 &&
		len(np.Spec.PodSelector.MatchExpressions) == 0
}

// Below returns the directions in which fewer than so many percent of the pods are isolated.
func (r Report) Below(percent float64) []string {
	var below []string
	for _, one := range []struct {
		name  string
		count int
	}{{"ingress", r.Ingress}, {"egress", r.Egress}} {
		if share := Percent(one.count, r.Pods); share < percent {
			below = append(below, fmt.Sprintf("%s %.4g%%", one.name, share))
		}
	}
	return below
}

// Percent is the share of a number; of nothing it is all.
func Percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}
