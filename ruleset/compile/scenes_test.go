package compile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
	"github.com/picket-project/picket/ruleset/policy"
)

// corpus is all scenes.
func corpus(t testing.TB) []*scene.Scene {
	t.Helper()
	scenes, err := scene.Corpus()
	if err != nil {
		t.Fatal(err)
	}
	return scenes
}

// forms are the ways in which a world is compiled: as it is by default, with rules that are merged
// as soon as there are two, and so for a backend that cannot look ports up.
var forms = map[string]compile.Form{
	"default": {Form: ruleset.FullForm()}, "merged": {Form: ruleset.FullForm(), MergeAbove: 1},
	"without port maps": {MergeAbove: 1},
}

// compiledAs compiles a world for every node that it mentions.
func compiledAs(w *oracle.World, form compile.Form) []*ruleset.Program {
	snapshot := compile.SnapshotOf(policy.Objects(*w), "")
	snapshot.Form, snapshot.MergeAbove = form.Form, form.MergeAbove
	return programsOfNodes(w, snapshot)
}

// oneWay is a program that isolates in one direction alone, so that the other half decides nothing.
func oneWay(p *ruleset.Program, d ruleset.Direction) *ruleset.Program {
	half := *p
	half.Dispatch = slices.DeleteFunc(slices.Clone(p.Dispatch), func(x ruleset.Dispatch) bool {
		return x.Direction != d
	})
	return &half
}

// halves are programs of one direction each.
type halves [2][]*ruleset.Program

func newHalves(programs []*ruleset.Program) (h halves) {
	for _, d := range ruleset.Directions {
		for _, p := range programs {
			h[d] = append(h[d], oneWay(p, d))
		}
	}
	return h
}

// wrongIn returns what the programs say otherwise than the flow.
func (h halves) wrongIn(f scene.Flow) string {
	egress, out := decide(h[ruleset.Egress], f.Flow)
	ingress, in := decide(h[ruleset.Ingress], f.Flow)
	if got := scene.Of(egress, ingress); !f.Verdict.Is(got) {
		return fmt.Sprintf("%s: got %s: %v %v", f, got, out, in)
	}
	if got := reasons(append(out, in...)); f.By != "" && f.By != got {
		return fmt.Sprintf("%s: by %q, got %q", f, f.By, got)
	}
	return ""
}

// reasons names the parts of policies that have allowed a flow, as scenes do.
func reasons(traces []ruleset.Trace) string {
	var texts []string
	for _, d := range slices.Concat(traces...) {
		if d.Own {
			texts = append(texts, "its own node")
		} else if d.Audited {
			texts = append(texts, scene.Audited)
		} else if len(d.Reason) > 0 {
			texts = append(texts, string(ruleset.ReasonOf(d.Reason)))
		}
	}
	if texts == nil {
		return "nothing"
	}
	return strings.Join(texts, "; ")
}

// The programs of all nodes say what the scenes say, in each form, and where something is wrong what
// the oracle says of more flows.
func TestScenes(t *testing.T) {
	for _, s := range corpus(t) {
		for _, step := range s.Steps {
			for name, form := range forms {
				programs := compiledAs(step.World, form)
				h := newHalves(programs)
				for _, f := range step.Flows {
					if name != "default" {
						f.By = "" // merged rules have the origins of all of them
					}
					if wrong := h.wrongIn(f); wrong != "" {
						t.Errorf("%s: %s", name, wrong)
					}
				}
			}
			if s.NoOracle == "" && strings.HasPrefix(s.Topic, "wrong") {
				agree(t, step.World)
			}
			saysProblems(t, s, step)
		}
	}
}

// saysProblems compares what is wrong with the policies, where the scene says it.
func saysProblems(t *testing.T, s *scene.Scene, step scene.Step) {
	t.Helper()
	if step.Problems == nil {
		return
	}
	var got []string
	for _, p := range step.World.Policies {
		for _, problem := range policy.Parse(p).Problems {
			got = append(got, strings.Join(strings.Fields(problem.Error.Error()), " "))
		}
	}
	if !slices.Equal(got, step.Problems) {
		t.Errorf("%s: %s: problems:\n%s\nwant:\n%s", s.Topic, s.Name, strings.Join(got, "\n"),
			strings.Join(step.Problems, "\n"))
	}
}

// Whatever flow a scene is wrong about, it is noticed.
func TestEveryWrongVerdictIsFound(t *testing.T) {
	for _, s := range corpus(t) {
		for _, step := range s.Steps {
			h := newHalves(compiledAs(step.World, forms["default"]))
			for _, f := range step.Flows {
				f.Verdict = f.Verdict.Opposite()
				if h.wrongIn(f) == "" {
					t.Errorf("%s: the opposite is not noticed", f)
				}
			}
		}
	}
}

// wrongPolicies are the policies of the scenes about what cannot be understood.
func wrongPolicies(t testing.TB) (all []*networkingv1.NetworkPolicy) {
	t.Helper()
	for _, s := range corpus(t) {
		if strings.HasPrefix(s.Topic, "wrong") {
			all = append(all, s.Steps[0].World.Policies...)
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d policies", len(all))
	}
	return all
}

// One bad policy holds up nobody: the others mean what they would mean without it.
func TestWrongPoliciesLeaveTheOthersAlone(t *testing.T) {
	sound := with(t, `
		policy a/sound {ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 82}]}]}
		policy ab/sound {policyTypes: [Egress], egress: [{ports: [{port: 82}]}]}`)
	for _, p := range wrongPolicies(t) {
		w := *sound
		w.Policies = append(slices.Clone(w.Policies), p)
		check(t, &w, `
			allow ab/cli > a/web TCP 82
			deny-egress ab/cli > out TCP 81
			allow ab/cli > out TCP 82`)
	}
}

// A port that is neither a number nor a name cannot come from JSON, but from the API's
// protobuf; so no scene can say it.
func TestPortOfUnknownType(t *testing.T) {
	w := with(t, "policy a/p {podSelector: {}}")
	p := w.Policies[0]
	port := &intstr.IntOrString{Type: 7, IntVal: 80, StrVal: "web"}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		Ports: []networkingv1.NetworkPolicyPort{{Port: port}}}}
	got := policy.Parse(p).Problems
	const want = "spec.ingress[0].ports[0].port: Invalid value: 7: is neither a number nor a name"
	if len(got) != 1 || got[0].Error.Error() != want {
		t.Errorf("%v, want %s", got, want)
	}
	check(t, w, "deny-ingress ab/cli > a/web TCP 80")
	if w.Allowed(flowsOf(t, w, "deny ab/cli > a/web TCP 80")[0].Flow) {
		t.Error("the oracle allows it")
	}
	agree(t, w)
}

// with is the usual cluster after statements, which may be indented.
func with(t testing.TB, statements string) *oracle.World {
	t.Helper()
	w, err := scene.Cluster()
	if err == nil {
		w, err = scene.Edit(w, strings.ReplaceAll(statements, "\t", ""))
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func flowsOf(t testing.TB, w *oracle.World, lines string) []scene.Flow {
	t.Helper()
	flows, err := scene.Flows(w, strings.ReplaceAll(lines, "\t", ""))
	if err != nil {
		t.Fatal(err)
	}
	return flows
}

// check holds the compiled programs against flows, one a line.
func check(t *testing.T, w *oracle.World, flows string) {
	t.Helper()
	h := newHalves(programsOf(w))
	for _, f := range flowsOf(t, w, flows) {
		if wrong := h.wrongIn(f); wrong != "" {
			t.Error(wrong)
		}
	}
}

// agree holds many flows of the world against the oracle.
func agree(t *testing.T, w *oracle.World) {
	t.Helper()
	flows := sample(rand.New(rand.NewPCG(1, 0)), w, w.Flows(), 100)
	if wrong := compare(w, flows, &tally{}); wrong != nil {
		t.Errorf("%v\n%v", wrong, w)
	}
}

// pod reads the words of a statement about a pod: "namespace/name node" and more.
func pod(t testing.TB, words string) *corev1.Pod {
	t.Helper()
	return made(t, "pod "+words).Pods[0]
}

// netpol reads "namespace/name spec", the spec as YAML.
func netpol(t testing.TB, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	return made(t, "policy "+text).Policies[0]
}

// made is a world of the statements alone.
func made(t testing.TB, statements string) *oracle.World {
	t.Helper()
	w, err := scene.Edit(&oracle.World{}, statements)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
