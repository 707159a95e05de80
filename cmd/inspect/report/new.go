package report

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// mostVerdicts bounds what a report may ask the programs: pairs of a group and a target.
const mostVerdicts = 25_000_000

// New makes the data of a page.
func New(in Input) (Data, error) { return newBuilder(in).build(in.Namespace) }

// newBuilder begins the data of a page.
func newBuilder(in Input) *builder {
	b := &builder{cluster: in.Cluster, rows: newTable(), labels: newTable(), ports: newTable(),
		selectors: newTable(), needs: newTable(), policyAt: map[*policy.Policy]int{}}
	// Lists are never null, so that whoever reads them need not ask.
	b.data = Data{Source: in.Source, Made: in.Made, Namespace: in.Namespace,
		Labels: [][2]string{}, Spaces: []Space{}, Workloads: []Workload{}, Groups: []Group{},
		Targets: []Target{}, Edges: []Edge{}, Policies: []Policy{}, Rules: []Rule{},
		Selectors: []Selector{}, Needs: []Need{}, Ports: []Ports{}, Host: []string{},
		Coverage: coverage.Of(in.Cluster, in.Namespace),
		Findings: append([]lint.Finding{}, in.Findings...), Diff: in.Diff}
	return b
}

// build makes it. The targets are those of one namespace, if it is given.
func (b *builder) build(namespace string) (Data, error) {
	b.addPods(namespace)
	b.addInternet(namespace == "")
	if n := len(b.units) * len(b.goals); n > mostVerdicts {
		return Data{}, fmt.Errorf("%d kinds of pods and %d of their ports are too many for a page; "+
			"expected %d pairs at most; give a namespace (-n)", len(b.units), len(b.goals),
			mostVerdicts)
	}
	b.askAll()
	b.addPolicies()
	b.addEdges()
	b.data.Rows = b.rows.texts
	return b.data, nil
}

// builder makes Data.
type builder struct {
	cluster *ask.Cluster
	data    Data
	// As data.Groups.
	units []unit
	// As data.Targets.
	goals []goal
	// By unit: goals that its egress lets it reach.
	out answers
	// By goal: units that its ingress lets in.
	in answers

	rows, labels, ports, selectors, needs table
	policyAt                              map[*policy.Policy]int
}

// unit is what is decided alike: pods, or the addresses that the internet stands for.
type unit struct {
	// None: the internet.
	pods  []ask.Pod
	addrs []netip.Addr
}

// goal is a port of a unit.
type goal struct {
	unit int
	port ask.Port
}

// addPods adds the workloads with their groups; targets only in one namespace, if it is given.
func (b *builder) addPods(namespace string) {
	byWorkload := map[ask.Workload][]ask.Pod{}
	for _, p := range b.cluster.Pods {
		byWorkload[p.Workload] = append(byWorkload[p.Workload], p)
	}
	for _, name := range b.cluster.NamespaceNames() {
		ns := b.cluster.Namespace(name)
		b.data.Spaces = append(b.data.Spaces, Space{Name: name, Implied: ns.Implied})
	}
	for _, w := range slices.SortedFunc(maps.Keys(byWorkload), ask.Workload.Compare) {
		onNodes := func(p ask.Pod) bool { return p.Host }
		pods := slices.DeleteFunc(byWorkload[w], onNodes)
		// No policy selects what is on its node's network, and other nodes' rules see its node.
		if len(pods) == 0 {
			b.data.Host = append(b.data.Host, w.String())
			continue
		}
		// The names are sorted, and every pod's namespace is among them.
		space, _ := slices.BinarySearch(b.cluster.NamespaceNames(), w.Namespace)
		b.data.Workloads = append(b.data.Workloads, Workload{w.Key(), w.Kind, space})
		for _, g := range b.cluster.Groups(pods) {
			b.addGroup(g, namespace == "" || namespace == w.Namespace)
		}
	}
}

// addGroup adds a group of the last workload, and its ports if it is one of those asked about.
func (b *builder) addGroup(g ask.Group, asked bool) {
	own := Group{Workload: len(b.data.Workloads) - 1, Families: families(g.Rep().Addrs),
		Disputed: b.cluster.Disputed(g.Rep()), By: map[string][]int{}, Audits: map[string][]int{},
		Labels: []int{}}
	for _, p := range g.Pods {
		own.Pods = append(own.Pods, p.Name)
	}
	b.units = append(b.units, unit{g.Pods, g.Rep().Addrs})
	b.data.Groups = append(b.data.Groups, own)
	if asked {
		b.addTargets(g.Rep().Ports...)
	}
}

// addTargets adds ports of the last group, and what has no port.
func (b *builder) addTargets(ports ...ask.Port) {
	at := len(b.units) - 1
	// A target is a port of a group: pods of one workload can declare different ports.
	for _, p := range ports {
		b.goals = append(b.goals, goal{at, p})
		b.data.Targets = append(b.data.Targets, Target{Group: at, Port: p.String(), Name: p.Name})
	}
	b.goals = append(b.goals, goal{at, ask.Port{}})
	b.data.Targets = append(b.data.Targets, Target{Group: at, Port: reach.Other,
		Extra: len(ports) > 0})
}

// addInternet adds the internet as a workload of its own. As a receiver it serves HTTPS.
func (b *builder) addInternet(asked bool) {
	addrs := slices.DeleteFunc(slices.Clone(b.cluster.Outside()), func(a netip.Addr) bool {
		return !a.IsValid()
	})
	b.data.Spaces = append(b.data.Spaces, Space{Name: ask.Internet, Outside: true})
	b.data.Workloads = append(b.data.Workloads,
		Workload{ask.Internet, "", len(b.data.Spaces) - 1})
	b.data.Groups = append(b.data.Groups, Group{Workload: len(b.data.Workloads) - 1,
		Pods: []string{ask.Internet}, Families: families(addrs), By: map[string][]int{},
		Audits: map[string][]int{}, Labels: []int{}})
	b.units = append(b.units, unit{nil, addrs})
	if asked {
		b.addTargets(ask.Port{Protocol: ruleset.TCP, Number: 443, Name: "https"})
	}
}

// families returns the IP families of addresses, each once.
func families(addrs []netip.Addr) []int {
	all := []int{}
	for _, f := range ruleset.Families {
		is := func(a netip.Addr) bool { return ruleset.FamilyOf(a) == f }
		if slices.ContainsFunc(addrs, is) {
			all = append(all, int(f))
		}
	}
	return all
}
