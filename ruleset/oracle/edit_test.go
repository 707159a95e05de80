package oracle

import (
	"math/rand/v2"
	"testing"
)

// objects maps the identity of each object of the world to its address.
func objects(w *World) map[string]any {
	all := map[string]any{}
	for _, ns := range w.Namespaces {
		all["Namespace "+ns.Name] = ns
	}
	for _, p := range w.Pods {
		all["Pod "+p.Namespace+"/"+p.Name] = p
	}
	for _, n := range w.Nodes {
		all["Node "+n.Name] = n
	}
	for _, p := range w.Policies {
		all["NetworkPolicy "+p.Namespace+"/"+p.Name] = p
	}
	return all
}

// changed names the objects that are not shared by the two worlds.
func changed(from, to *World) []string {
	var names []string
	before, after := objects(from), objects(to)
	for name, o := range after {
		if before[name] != o {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

func TestEditChangesOneObject(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	for _, w := range worlds(30, Size{}) {
		for range 20 {
			before := w.String()
			next := Edit(r, w)
			if after := w.String(); after != before {
				t.Fatalf("the world was changed:\n%s\nto:\n%s", before, after)
			}
			if names := changed(w, next); len(names) != 1 {
				t.Fatalf("changed: %v", names)
			}
			if len(objects(next)) != len(next.Namespaces)+len(next.Pods)+len(next.Nodes)+
				len(next.Policies) {
				t.Fatalf("two objects of one name:\n%v", next)
			}
			w = next
		}
	}
}

func TestEditShowsEachChange(t *testing.T) {
	r, seen := rand.New(rand.NewPCG(4, 0)), features{}
	for _, w := range worlds(1000, Size{}) {
		next := Edit(r, w)
		seen.note("same text", next.String() == w.String())
		seen.note("pod added", len(next.Pods) > len(w.Pods))
		seen.note("pod deleted", len(next.Pods) < len(w.Pods))
		seen.note("policy added", len(next.Policies) > len(w.Policies))
		seen.note("policy deleted", len(next.Policies) < len(w.Policies))
		for i := range min(len(w.Policies), len(next.Policies)) {
			seen.note("audit begins", !w.isAudited(w.Policies[i]) && next.isAudited(w.Policies[i]))
			p, q := w.Policies[i], next.Policies[i]
			seen.note("audit ends", p.Name == q.Name && w.isAudited(p) && !next.isAudited(q))
		}
		seen.note("namespace added", len(next.Namespaces) > len(w.Namespaces))
		for _, name := range changed(w, next) {
			seen.note(name[:2], true)
		}
		for i := range min(len(w.Pods), len(next.Pods)) {
			p, q := w.Pods[i], next.Pods[i]
			same := p.Namespace == q.Namespace && p.Name == q.Name
			seen.note("pod moved", same && p.Status.PodIP != q.Status.PodIP)
			seen.note("pod lost its address", same && p.Status.PodIP != "" && q.Status.PodIP == "")
			seen.note("pod phase", same && p.Status.Phase != q.Status.Phase)
		}
	}
	for name, count := range seen {
		if count < 4 {
			t.Errorf("%q: shown %d times", name, count)
		}
	}
	if seen["same text"] > 200 {
		t.Errorf("%d of 1000 changes say the same", seen["same text"])
	}
}

func TestEditOfNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 0))
	w := &World{}
	for range 200 {
		w = Edit(r, w)
	}
	if len(w.Pods) == 0 && len(w.Policies) == 0 {
		t.Error("nothing was added")
	}
}
