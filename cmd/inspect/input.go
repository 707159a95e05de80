package inspect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Input is what manifests state, and what people have to be told about it.
type Input struct {
	Objects  policy.Objects // with pods that stand for workloads
	Services []*corev1.Service
	Foreign  []manifests.Problem // policies of other engines, which nothing here enforces
	Wrong    []manifests.Problem // files and objects that cannot be read as they are meant
	Empty    []manifests.Problem // files and folders that hold nothing
	Problems []string            // what is wrong, one a line
	Unclear  []string            // those Problems that are about parts of policies
	Notes    []string            // what is right but may surprise, one a line

	// Copied says that an agent that watches the same paths would see other objects than these.
	Copied bool

	// MadeUpNodes has the nodes of the addresses that Complete has made up for them, or for pods on
	// their networks.
	MadeUpNodes map[netip.Addr]string

	from     string            // the paths, for messages
	expanded []*corev1.Pod     // that stand for workloads
	all      manifests.Objects // as they were read
}

// Read reads manifests, and makes pods for the workloads in them.
func Read(from manifests.Input) (*Input, error) {
	all, problems, err := from.Load()
	if err != nil {
		return nil, err
	}
	in := &Input{all: all, from: strings.Join(names(from), ", ")}
	in.Services, in.Foreign = all.Services, all.Foreign
	in.Wrong, in.Empty = problems, all.Empty
	// An agent reads no folders below those that it is given, no standard input, and builds
	// nothing.
	in.Copied = from.Recursive || slices.Contains(from.Paths, manifests.Stdin) ||
		len(from.Texts) > 0
	for _, p := range slices.Concat(problems, all.Empty) {
		in.Problems = append(in.Problems, p.Error())
	}
	in.Unclear = unclear(all)
	in.Problems = append(in.Problems, in.Unclear...)
	in.Objects = policy.Objects{
		Namespaces: all.Namespaces, Pods: all.Pods, Nodes: all.Nodes, Policies: all.Policies,
	}
	in.expand()
	in.reportMissing()
	return in, nil
}

// names are those of all that is read, for messages.
func names(from manifests.Input) []string {
	all := slices.Clone(from.Paths)
	for _, t := range from.Texts {
		all = append(all, t.Name)
	}
	return all
}

// unclear returns the parts of policies and namespaces that cannot be understood, each with its
// place in a file.
func unclear(all manifests.Objects) []string {
	var lines []string
	for _, np := range all.Policies {
		key := manifests.Key{Kind: manifests.Policy, Namespace: np.Namespace, Name: np.Name}
		for _, p := range policy.Parse(np).Problems {
			lines = append(lines, all.Problem(key, p.Error).Error())
		}
	}
	for _, ns := range all.Namespaces {
		key := manifests.Key{Kind: manifests.Namespace, Name: ns.Name}
		for _, p := range policy.NewNamespace(ns).Problems {
			lines = append(lines, all.Problem(key, p.Error).Error())
		}
	}
	return lines
}

// expand adds pods that stand for workloads such as Deployments, with a note that says so.
func (in *Input) expand() {
	pods, workloads := in.all.Expand()
	if len(pods) == 0 {
		return
	}
	in.Objects.Pods, in.Copied = slices.Concat(in.all.Pods, pods), true
	in.expanded = pods
	var names []string
	for _, w := range workloads {
		names = append(names, w.String())
	}
	in.Notes = append(in.Notes, fmt.Sprintf(
		"%s for %s: %s (two at most for each; more are decided alike)",
		Count(len(pods), "pod"), Count(len(workloads), "workload"), firstFew(names)))
}

// reportMissing says what an answer needs but the manifests do not state. Without that, an empty
// answer would look like a good one.
func (in *Input) reportMissing() {
	if kinds(in.all) == "" && len(in.all.Empty) > 0 {
		return // the empty files are problems already
	}
	if !slices.ContainsFunc(in.Objects.Pods, running) {
		in.Problems = append(in.Problems, fmt.Sprintf("%s: no pod that runs%s; "+
			"expected objects of kind Pod, or of one that makes pods, such as Deployment",
			in.from, kinds(in.all)))
	}
	if len(in.all.Policies) == 0 {
		in.Notes = append(in.Notes,
			in.from+": no NetworkPolicy; without one everything is allowed")
	}
}

// running reports whether a pod has not finished. One that has finished sends and receives nothing
// more, though the API still shows it.
func running(p *corev1.Pod) bool { return !policy.Finished(p) }

// kinds counts the objects of each kind, for a message about what is not among them.
func kinds(all manifests.Objects) string {
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{len(all.Policies), "NetworkPolicy"}, {len(all.Namespaces), "Namespace"},
		{len(all.Nodes), "Node"}, {len(all.Pods), "Pod"}, {len(all.Workloads), "workload"},
		{len(all.Services), "Service"},
		{all.Skipped, "object"},
	} {
		if c.n > 0 {
			counts = append(counts, Count(c.n, c.what))
		}
	}
	if len(counts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (only %s)", strings.Join(counts, ", "))
}

// errNoAddress is the problem of a pod that has no address while others of the manifests have one.
var errNoAddress = fmt.Errorf(
	"status.podIPs is empty; expected an address; without one the pod is left out")

// Place returns where a field of a policy stands in the files.
func (in *Input) Place(k policy.Key, field string) manifests.Place {
	key := manifests.Key{Kind: manifests.Policy, Namespace: k.Namespace, Name: k.Name}
	if k.Namespace == "" {
		key.Kind = manifests.Namespace
	}
	return in.all.Place(key, field)
}

// Closed reports whether a policy stands for one of the files that cannot be read as it is meant.
func (in *Input) Closed(k policy.Key) bool {
	key := manifests.Key{Kind: manifests.Policy, Namespace: k.Namespace, Name: k.Name}
	return slices.ContainsFunc(in.Wrong, func(p manifests.Problem) bool { return p.Closed == key })
}

// PlaceOf returns where a problem is, or else where its document starts.
func (in *Input) PlaceOf(p manifests.Problem) manifests.Place {
	return manifests.Place{File: p.File, Line: in.all.Line(p)}
}

// Complete makes up nodes and addresses if no pod states an address: then the manifests are those
// that people write. If some pods state one, the manifests show a cluster, and a pod without an
// address is a problem and is left out; one that stands for a workload gets a free address of each
// family that the others have.
func (in *Input) Complete() error {
	addressed := func(p *corev1.Pod) bool { return len(policy.PodAddrs(p)) > 0 }
	if slices.ContainsFunc(in.Objects.Pods, addressed) {
		if err := in.addressExpanded(); err != nil {
			return err
		}
		for _, p := range in.Objects.Pods {
			if running(p) && !addressed(p) {
				key := manifests.Key{Kind: manifests.Pod, Namespace: p.Namespace, Name: p.Name}
				in.Problems = append(in.Problems, in.all.Problem(key, errNoAddress).Error())
			}
		}
		return nil
	}
	// Without pods there is nothing to complete, and reportMissing has said so.
	if !slices.ContainsFunc(in.Objects.Pods, running) {
		return nil
	}
	c, err := completed(in.Objects, ruleset.Families[:])
	if err != nil {
		return err
	}
	in.Objects.Nodes, in.Objects.Pods, in.MadeUpNodes = c.nodes, c.pods, c.hosts
	in.Notes = append(in.Notes, fmt.Sprintf("no pod has an address; those of pods and nodes, "+
		"and what else is open, are made up (nodes: %s)", firstFew(NodeNames(in.Objects))))
	return nil
}

// Count writes a number of things: "1 pod", "2 pods".
func Count(n int, one string) string {
	switch stem, y := strings.CutSuffix(one, "y"); {
	case n == 1:
		return "1 " + one
	case y:
		return fmt.Sprintf("%d %sies", n, stem)
	default:
		return fmt.Sprintf("%d %ss", n, one)
	}
}

// firstFew lists the first five names, and how many more there are.
func firstFew(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
