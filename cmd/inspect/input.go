package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// input is what manifests state, and what people have to hear of it.
type input struct {
	from     string // the paths
	all      manifests.Objects
	objects  policy.Objects // of all, with pods that stand for workloads
	copied   bool           // an agent that watches the paths would see something else
	problems []string       // what is wrong, one a line
	unclear  []string       // those of them that are parts of policies
	notes    []string       // what is right and may surprise, one a line
}

// unclear are the parts of policies that cannot be understood, with where they stand.
func unclear(all manifests.Objects) []string {
	var lines []string
	for _, np := range all.Policies {
		key := manifests.Key{Kind: manifests.Policy, Namespace: np.Namespace, Name: np.Name}
		for _, p := range policy.Parse(np).Problems {
			lines = append(lines, all.Problem(key, p.Error).Error())
		}
	}
	return lines
}

// expand adds pods that stand for workloads, and says so.
func (in *input) expand() {
	pods, workloads := in.all.Expand()
	if len(pods) == 0 {
		return
	}
	in.objects.Pods, in.copied = slices.Concat(in.all.Pods, pods), true
	var names []string
	for _, w := range workloads {
		names = append(names, w.String())
	}
	in.notes = append(in.notes, fmt.Sprintf(
		"%s for %s: %s (two at most for each; more are judged alike)",
		plural(len(pods), "pod"), plural(len(workloads), "workload"), some(names)))
}

// missing says what an answer needs and the manifests do not state: silence would pass for one.
func (in *input) missing() {
	if others(in.all) == "" && len(in.all.Empty) > 0 {
		return // that is said already
	}
	if !slices.ContainsFunc(in.objects.Pods, running) {
		in.problems = append(in.problems, fmt.Sprintf("%s: no pod that runs%s; expected objects of "+
			"kind Pod, or of one that makes pods, such as Deployment", in.from, others(in.all)))
	}
	if len(in.all.Policies) == 0 {
		in.notes = append(in.notes, in.from+": no NetworkPolicy; without one everything is allowed")
	}
}

func running(p *corev1.Pod) bool { return !policy.Finished(p) }

// others says what there is instead of pods that run.
func others(all manifests.Objects) string {
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{len(all.Policies), "NetworkPolicy"}, {len(all.Namespaces), "Namespace"},
		{len(all.Nodes), "Node"}, {len(all.Pods), "Pod"}, {len(all.Workloads), "workload"},
		{all.Skipped, "object"},
	} {
		if c.n > 0 {
			counts = append(counts, plural(c.n, c.what))
		}
	}
	if len(counts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (only %s)", strings.Join(counts, ", "))
}

// some lists the first few of many.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

var errNoAddress = errors.New(
	"status.podIPs is empty; expected an address; without one the pod is left out")

// complete makes up nodes and addresses where no pod states an address: the manifests are those
// that people write. Where some do, they show a cluster, and a pod without one is left out.
func (in *input) complete() error {
	addressed := func(p *corev1.Pod) bool { return len(policy.PodAddrs(p)) > 0 }
	if slices.ContainsFunc(in.objects.Pods, addressed) {
		for _, p := range in.objects.Pods {
			if running(p) && !addressed(p) {
				key := manifests.Key{Kind: manifests.Pod, Namespace: p.Namespace, Name: p.Name}
				in.problems = append(in.problems, in.all.Problem(key, errNoAddress).Error())
			}
		}
		return nil
	}
	if !slices.ContainsFunc(in.objects.Pods, running) {
		return nil
	}
	d := newDraft(in.objects, ruleset.Families[:])
	if err := d.complete(); err != nil {
		return err
	}
	in.objects.Pods, in.objects.Nodes = d.pods, d.nodes
	in.notes = append(in.notes, fmt.Sprintf("no pod has an address; those of pods and nodes, "+
		"and what else is open, are made up (nodes: %s)", some(nodeNames(in.objects))))
	return nil
}
