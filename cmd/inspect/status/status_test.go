package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

var (
	noon   = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	wanted = Wanted{Policy: "shop/api", Generation: 4, UID: "a", Version: "v4",
		Pods: map[string]int{"n1": 2}}
)

// holding is an agent whose kernel holds some generation of the policy.
func holding(generation, waiting int64, change func(*agent.Status)) Node {
	a := &agent.Status{Readiness: agent.Readiness{Ready: true}}
	if generation+waiting > 0 {
		a.Policies = []agent.Revision{{Policy: "shop/api", Generation: generation, Waiting: waiting,
			UID: "a", ResourceVersion: fmt.Sprintf("v%d", generation)}}
	}
	if change != nil {
		change(a)
	}
	return Node{Name: "n1", Agent: a}
}

// Each way in which a node can stand to a policy.
func TestOfPolicy(t *testing.T) {
	elsewhere := wanted
	elsewhere.Pods = map[string]int{"n2": 2}
	// Annotations have no generation, and an object that is made anew has others than the one before.
	annotated := func(a *agent.Status) { a.Policies[0].ResourceVersion = "v3.1" }
	other := func(a *agent.Status) { a.Policies[0].UID = "b" }
	deleted := Wanted{Policy: "shop/api"}
	notReady := func(a *agent.Status) {
		a.Readiness = agent.Readiness{Reasons: map[string]string{"kernel": "no memory"}}
	}
	broken := func(a *agent.Status) { a.Policies[0].Problem = "spec.ingress[0]: bad CIDR" }
	for what, test := range map[string]struct {
		want  Wanted
		node  Node
		state State
		note  string
	}{
		"in force":            {wanted, holding(4, 0, nil), Yes, ""},
		"a newer one":         {wanted, holding(5, 0, nil), Yes, ""},
		"annotated since":     {wanted, holding(4, 0, annotated), No, "generation 4, which stays"},
		"made anew":           {wanted, holding(5, 0, other), No, "generation 5, which stays"},
		"in force, broken":    {wanted, holding(4, 0, broken), Yes, "bad CIDR"},
		"selects nobody":      {elsewhere, holding(4, 0, nil), Idle, "selects no pod"},
		"nobody, and behind":  {elsewhere, holding(3, 0, nil), Idle, "selects no pod"},
		"nobody, no answer":   {elsewhere, Node{Name: "n1", Why: "no agent"}, Idle, "no agent"},
		"behind":              {wanted, holding(3, 0, nil), No, "generation 3, which stays"},
		"on its way":          {wanted, holding(3, 4, nil), No, "4 is on its way"},
		"the first":           {wanted, holding(0, 0, nil), No, "has none; the agent has not heard"},
		"not ready":           {wanted, holding(3, 4, notReady), No, "kernel: no memory"},
		"no answer":           {wanted, Node{Name: "n1", Why: "no agent"}, Unknown, "no agent"},
		"deleted":             {deleted, holding(0, 0, nil), Idle, "gone"},
		"deleted and there":   {deleted, holding(3, 0, nil), No, "generation 3 is still in force"},
		"deleted and unknown": {deleted, Node{Name: "n1", Why: "no agent"}, Unknown, "no agent"},
	} {
		p := OfPolicy(test.want, []Node{test.node})
		got := p.Nodes[0]
		if got.State != test.state || !strings.Contains(got.Note, test.note) {
			t.Errorf("%s: %s, %q; expected %s, %q", what, got.State, got.Note, test.state, test.note)
		}
		if well := got.State == Yes || got.State == Idle; well != p.Done() {
			t.Errorf("%s: done is %t", what, p.Done())
		}
	}
	if OfPolicy(deleted, []Node{holding(0, 0, nil)}).Known() ||
		!OfPolicy(deleted, []Node{holding(3, 0, nil)}).Known() {
		t.Error("a policy is known while the API server or a node has it")
	}
}

// A node without an answer, with a reason, a warning or a policy that is behind is not well.
func TestOfFleet(t *testing.T) {
	generations := map[string]int64{"shop/api": 4}
	nodes := []Node{holding(4, 0, nil), holding(3, 0, nil), {Name: "n3", Why: "no agent runs here"},
		holding(4, 0, func(a *agent.Status) {
			a.Readiness = agent.Readiness{Reasons: map[string]string{"kernel": "no memory"}}
			a.NotReadySince, a.Others = noon.Add(-time.Minute), []string{"kube-router: ..."}
		})}
	f := OfFleet(nodes, generations, noon)
	want := [][]string{nil,
		{"1 of 1 policies are not in force as they are now: picket status netpol/NAME"},
		{"no agent runs here"},
		{"kernel: no memory", "another program enforces policies here, too: kube-router: ..."}}
	for i, n := range f.Nodes {
		if diff := cmp.Diff(want[i], n.Findings); diff != "" {
			t.Errorf("node %d: %s", i, diff)
		}
	}
	if f.Well != 1 || f.Policies != 1 || f.Nodes[3].NotReady != 60 || f.Nodes[2].Asked {
		t.Errorf("%+v", f)
	}
}

// What a watch that fell silent or a start that takes its time leaves open is for people to see to as
// well. That it is not known who else is there is not: an image may never be able to look.
func TestFindings(t *testing.T) {
	for want, change := range map[string]func(*agent.Status){
		"": func(a *agent.Status) {
			a.Silence, a.OthersUnknown = map[string]time.Duration{"pods": 3*time.Minute - 1},
				[]string{"no program"}
		},
		"API: nothing was heard of pods for 10m; expected a word about every minute: changes may be " +
			"missing": func(a *agent.Status) {
			a.Silence = map[string]time.Duration{"nodes": time.Second, "pods": 10 * time.Minute}
		},
		"not ready: kernel: the first rules": func(a *agent.Status) {
			a.Readiness = agent.Readiness{Pending: map[string]string{"kernel": "the first rules"}}
		},
	} {
		f := OfFleet([]Node{holding(4, 0, change)}, map[string]int64{"shop/api": 4}, noon)
		got := strings.Join(f.Nodes[0].Findings, "\n")
		if got != want || (f.Well == 1) != (want == "") {
			t.Errorf("%d well, %q; expected %q", f.Well, got, want)
		}
	}
}
