package oracle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
)

// wrongIn returns the flows of a step about which the oracle says something else.
func wrongIn(s scene.Step) (wrong []string) {
	for _, f := range s.Flows {
		got := scene.Of(s.World.EgressAllowed(f.Flow), s.World.IngressAllowed(f.Flow))
		if !f.Verdict.Is(got) || s.World.Allowed(f.Flow) != (got == scene.Allow) {
			wrong = append(wrong, f.String()+": got "+string(got))
		}
		audits := 0
		for _, audited := range []bool{s.World.EgressAudited(f.Flow),
			s.World.IngressAudited(f.Flow)} {
			if audited {
				audits++
			}
		}
		if f.By != "" && strings.Count(f.By, scene.Audited) != audits {
			wrong = append(wrong, fmt.Sprintf("%s: %d halves are audited", f, audits))
		}
	}
	return wrong
}

// corpus reads all scenes.
func corpus(t *testing.T) []*scene.Scene {
	t.Helper()
	scenes, err := scene.Corpus()
	if err != nil {
		t.Fatal(err)
	}
	return scenes
}

func TestScenes(t *testing.T) {
	for _, s := range corpus(t) {
		if s.NoOracle != "" {
			continue
		}
		for _, step := range s.Steps {
			for _, wrong := range wrongIn(step) {
				t.Error(wrong)
			}
		}
	}
}

// Whatever flow a scene is wrong about, it is noticed.
func TestEveryWrongVerdictIsFound(t *testing.T) {
	flows := 0
	for _, s := range corpus(t) {
		for _, step := range s.Steps {
			for i := range step.Flows {
				flows++
				one := step
				one.Flows = []scene.Flow{step.Flows[i]}
				one.Flows[0].Verdict = one.Flows[0].Verdict.Opposite()
				if s.NoOracle == "" && len(wrongIn(one)) != 1 {
					t.Errorf("%s: the opposite is not noticed", step.Flows[i])
				}
			}
		}
	}
	t.Logf("%d flows", flows)
}

// with is the usual cluster after statements.
func with(t *testing.T, statements string) *oracle.World {
	t.Helper()
	w, err := scene.Cluster()
	if err == nil {
		w, err = scene.Edit(w, statements)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The decoders leave an empty list nil or not, which no text says; both forms deny.
func TestNilRules(t *testing.T) {
	for _, rules := range [][]networkingv1.NetworkPolicyIngressRule{nil, {}} {
		w := with(t, "policy a/p {podSelector: {}}")
		w.Policies[0].Spec.Ingress = rules
		flows, err := scene.Flows(w, "deny-ingress ab/cli > a/web TCP 80")
		if err != nil {
			t.Fatal(err)
		}
		if wrong := wrongIn(scene.Step{World: w, Flows: flows}); wrong != nil {
			t.Error(wrong)
		}
	}
}

func TestFlows(t *testing.T) {
	flows := with(t, `policy a/p {ingress: [{ports: [{port: 100, endPort: 200}, {port: 70000}]}]}
patch pod a/db {status: {phase: Succeeded}}`).Flows()
	for _, want := range []string{
		"10.244.1.2 > 10.244.2.2 TCP 100",        // ports.port
		"10.244.1.2 > 10.244.2.2 UDP 200",        // ports.endPort
		"10.244.1.2 > 10.244.2.2 SCTP 201",       // beside it
		"10.244.2.2 > 10.244.1.2 TCP 8080",       // a container's; from a pod that is over
		"10.244.1.2 > 10.244.1.2 other",          // a pod and itself
		"10.77.0.11 > 10.244.1.2 TCP 80",         // a node and a hostNetwork pod
		"fd77::12 > fd00:10:244:1::2 other",      // IPv6
		"8.8.8.8 > 10.77.0.12 TCP 9090",          // from outside
		"fd00:10:244:1::2 > 64:ff9b::1 UDP 53",   // to outside
		"fd00:10:244:1::2 > 2001:db8::1 TCP 101", // beside ports.port
	} {
		if !slices.ContainsFunc(flows, func(f oracle.Flow) bool { return f.String() == want }) {
			t.Errorf("no flow %s", want)
		}
	}
}
