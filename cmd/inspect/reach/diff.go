package reach

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Diff is what a change of policies cuts and opens, by workload.
type Diff struct {
	Policies []PolicyChange `json:"policies"`
	Isolates []Isolation    `json:"isolates"` // pods that were free in a direction, and would not be
	Frees    []Isolation    `json:"frees"`    // pods that no policy would isolate any more
	Cuts     []Link         `json:"cuts"`
	Opens    []Link         `json:"opens"`
}

// PolicyChange is a policy that is added, changed or deleted.
type PolicyChange struct {
	Policy string `json:"policy"` // namespace/name
	Change string `json:"change"` // added, changed or deleted
}

// Isolation is how many pods of a workload begin or cease to be isolated in a direction.
type Isolation struct {
	Workload  string   `json:"workload"`
	Direction string   `json:"direction"`
	Pods      int      `json:"pods"`
	By        []string `json:"by"` // the policies, namespace/name
}

// Link is a port between two workloads that is cut or opened, between all or some of their pods.
// One of them can be the internet, or a range of addresses that policies decide about alike.
type Link struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Port   string `json:"port"`
	Family string `json:"family,omitempty"` // IPv4 or IPv6, where they have both and one changes
	Pairs  int    `json:"pairs"`            // of pods, or of pods and what is outside
}

// Empty reports whether nothing changes for any pod.
func (d Diff) Empty() bool { return len(d.Isolates)+len(d.Frees)+len(d.Cuts)+len(d.Opens) == 0 }

// Compare says what changes between two states. Pods that are in one of them only are left out.
func Compare(before, after *ask.Cluster) Diff {
	d := Diff{Policies: changes(before, after), Isolates: []Isolation{}, Frees: []Isolation{},
		Cuts: []Link{}, Opens: []Link{}}
	s := states{before: before, after: after, changed: otherNamespaces(before, after)}
	for _, c := range d.Policies {
		s.changed[c.Policy] = true
	}
	all := s.workloads()
	s.findTouched(all)
	for _, w := range all {
		d.addIsolation(s, w)
	}
	s.findPorts(all)
	s.findNodes()
	for _, to := range all {
		for _, from := range slices.Concat(all, s.outsideOf(to, ruleset.Ingress)) {
			d.addLinks(s, from, to)
		}
	}
	for _, from := range all {
		for _, to := range s.outsideOf(from, ruleset.Egress) {
			d.addLinks(s, from, to)
		}
	}
	return d
}

// changes compares the policies by name.
func changes(before, after *ask.Cluster) []PolicyChange {
	all, audited := []PolicyChange{}, map[policy.Key]bool{}
	for _, p := range before.Policies {
		audited[p.Key] = before.Audited(p)
	}
	for _, p := range after.Policies {
		old := before.Spec(p.Key)
		switch {
		case old == nil:
			all = append(all, PolicyChange{p.String(), "added"})
		case audited[p.Key] != after.Audited(p),
			old.Spec.String() != after.Spec(p.Key).Spec.String():
			all = append(all, PolicyChange{p.String(), "changed"})
		}
	}
	for _, p := range before.Policies {
		if after.Spec(p.Key) == nil {
			all = append(all, PolicyChange{p.String(), "deleted"})
		}
	}
	slices.SortFunc(all, func(a, b PolicyChange) int { return cmp.Compare(a.Policy, b.Policy) })
	return all
}

// states are the cluster before and after a change.
type states struct {
	before, after *ask.Cluster
	changed       map[string]bool              // policies, namespace/name, that decide otherwise
	touched       [2]map[policy.Key]bool       // by direction: pods that a changed policy selects
	ports         []ask.Port                   // by number, that rules of changed policies name, sorted
	named         [2]map[string][]policy.Ports // by direction: what policies of a workload name
	nodes         map[netip.Addr]string        // whose addresses they are
}

// both are the two states.
func (s states) both() [2]*ask.Cluster { return [2]*ask.Cluster{s.before, s.after} }

// otherNamespaces returns the policies whose selectors mean other namespaces after a change of
// these.
func otherNamespaces(before, after *ask.Cluster) map[string]bool {
	other := map[string]bool{}
	for _, name := range slices.Concat(before.NamespaceNames(), after.NamespaceNames()) {
		was, is := before.Namespace(name), after.Namespace(name)
		if was.Equal(is) {
			continue
		}
		differs := func(s *policy.Selector) bool {
			return s.MatchesNamespace(was) != s.MatchesNamespace(is)
		}
		for _, p := range slices.Concat(before.Policies, after.Policies) {
			for _, r := range slices.Concat(p.Rules[:]...) {
				if slices.ContainsFunc(r.PeerPods(), differs) {
					other[p.String()] = true
				}
			}
		}
	}
	return other
}

// findTouched finds the groups that a changed policy selects, by their first pods. What becomes of
// a flow can change only where it is decided by such a policy.
func (s *states) findTouched(all []workload) {
	for _, d := range ruleset.Directions {
		s.touched[d] = map[policy.Key]bool{}
		for _, w := range all {
			for _, g := range w.groups {
				p := g.Rep()
				by := slices.Concat(s.before.Isolating(p, d), s.after.Isolating(p, d))
				s.touched[d][p.Key] = s.before.Disputed(p) || slices.ContainsFunc(by,
					func(one *policy.Policy) bool { return s.changed[one.String()] })
			}
		}
	}
}

// canChange reports whether a flow from or to a group can be decided otherwise.
func (s states) canChange(d ruleset.Direction, g ask.Group) bool { return s.touched[d][g.Rep().Key] }

// anyCanChange is canChange for some group of a workload.
func (s states) anyCanChange(d ruleset.Direction, w workload) bool {
	return slices.ContainsFunc(w.groups, func(g ask.Group) bool { return s.canChange(d, g) })
}

// workloads returns the workloads of the pods that both states have. The pods of a group are
// decided about alike in both.
func (s states) workloads() []workload {
	var pods []ask.Pod
	for _, p := range s.before.Pods {
		if _, stays := s.after.Pod(p.Key); stays && !p.Host {
			pods = append(pods, p)
		}
	}
	all := workloads(s.before, pods)
	// Labels of namespaces may differ, so the groups of one state may not be alike in the other.
	for i, w := range all {
		var finer []ask.Group
		for _, g := range w.groups {
			finer = append(finer, s.after.Groups(g.Pods)...)
		}
		all[i].groups = finer
	}
	return all
}

// addIsolation adds the pods of a workload that begin or cease to be isolated.
func (d *Diff) addIsolation(s states, w workload) {
	for _, direction := range ruleset.Directions {
		isolates := Isolation{Workload: w.name, Direction: direction.String(), By: []string{}}
		frees := isolates
		for _, g := range w.groups {
			// The first pod of a group speaks for all of it.
			was, is := s.before.Isolating(g.Rep(), direction), s.after.Isolating(g.Rep(), direction)
			switch {
			case len(was) == 0 && len(is) > 0:
				isolates.Pods += len(g.Pods)
				isolates.By = names(isolates.By, is)
			case len(was) > 0 && len(is) == 0:
				frees.Pods += len(g.Pods)
				frees.By = names(frees.By, was)
			}
		}
		if isolates.Pods > 0 {
			d.Isolates = append(d.Isolates, isolates)
		}
		if frees.Pods > 0 {
			d.Frees = append(d.Frees, frees)
		}
	}
}

// names adds names that are not there.
func names[T interface{ String() string }](have []string, more []T) []string {
	for _, m := range more {
		if !slices.Contains(have, m.String()) {
			have = append(have, m.String())
		}
	}
	return have
}
