package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Seventeen rules are more than sixteen: those with the same ports become one over the
// union of their peers, for each family and kind of peer. Ports by name stay alone, and so
// does the pod itself.
func TestLongChainIsMerged(t *testing.T) {
	var policies []string
	for i := range 6 {
		policies = append(policies, fmt.Sprintf(
			"a/p%d {ingress: [{from: [{podSelector: {matchLabels: {app: x%d}}}, {ipBlock: {cidr: "+
				"10.1.%d.0/24}}], ports: [{port: 80}]}]}", i, i, 2*i))
	}
	policies = append(policies,
		"a/q {ingress: [{from: [{ipBlock: {cidr: 10.1.1.0/24}}], ports: [{port: 80}]}, {from: "+
			"[{ipBlock: {cidr: 10.1.1.0/24}}], ports: [{port: 81}]}, {ports: [{port: 81}]}]}",
		"a/r {ingress: [{from: [{podSelector: {matchLabels: {app: x1}}}], ports: [{port: 80, "+
			"protocol: UDP}]}, {from: [{podSelector: {matchLabels: {app: x1}}}]}]}")
	short, _ := assemble(t, "a/web n1 10.0.0.2", ruleset.Ingress, policies[:7])
	if len(short.Steps) != 15+1 {
		t.Errorf("%d rules, of which one is the pod itself:\n%v", len(short.Steps), short.Steps)
	}
	chain, sources := assemble(t, "a/web n1 10.0.0.2", ruleset.Ingress, policies)
	want := `
		pods4(pods app=x0 in namespace a or 5 more) tcp 80 # a/p0 ingress[0], a/p1 ingress[0], a/p2 ingress[0], a/p3 ingress[0], a/p4 ingress[0], a/p5 ingress[0]
		cidrs4(10.1.0.0-10.1.2.255, 10.1.4.0/24, 10.1.6.0/24, 10.1.8.0/24, 10.1.10.0/24) tcp 80 # a/p0 ingress[0], a/p1 ingress[0], a/p2 ingress[0], a/p3 ingress[0], a/p4 ingress[0], a/p5 ingress[0], a/q ingress[0]
		10.1.1.0/24 tcp 81 # a/q ingress[1]
		anyone tcp 81 # a/q ingress[2]
		pods4(pods app=x1 in namespace a) udp 80 # a/r ingress[0]
		pods4(pods app=x1 in namespace a) any # a/r ingress[1]
		10.0.0.2/32 any # itself`
	want = strings.ReplaceAll(strings.TrimSpace(want), "\n\t\t", "\n")
	if diff := cmp.Diff(want, chainText(chain, sources)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkChain assembles the chain of a pod that many policies select, each with peers
// and a port of its own.
func BenchmarkChain(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			subject, _ := policy.NewPod(pod(b, "a/web n1 10.0.0.2"))
			var policies []*policy.Policy
			for i := range n {
				text := fmt.Sprintf("a/p%04d {ingress: [{from: [{podSelector: {matchLabels: "+
					"{app: x%d}}}], ports: [{port: %d}]}]}", i, i, 1+i%10)
				policies = append(policies, policy.Parse(netpol(b, text)))
			}
			var rules int
			for b.Loop() {
				rules = len(isolation(subject, ruleset.Ingress, policies,
					compile.Form{Form: ruleset.FullForm()}).Chain.Steps)
			}
			b.ReportMetric(float64(rules), "rules")
		})
	}
}

// BenchmarkLookUp assembles the chain of a pod that a tenant's 10,000 rules are for, each
// with a port of its own.
func BenchmarkLookUp(b *testing.B) {
	subject, _ := policy.NewPod(pod(b, "a/web n1 10.0.0.2 fd00::2"))
	var policies []*policy.Policy
	for i := range 100 {
		var rules []string
		for j := range 100 {
			rules = append(rules, fmt.Sprintf("{from: [{podSelector: {matchLabels: {group: "+
				"g%d}}}], ports: [{port: %d}]}", j%50, 1+100*i+j))
		}
		policies = append(policies, policy.Parse(netpol(b, fmt.Sprintf("a/p%04d {ingress: [%s]}", i,
			strings.Join(rules, ", ")))))
	}
	for b.Loop() {
		form := compile.Form{Form: ruleset.FullForm()}
		if j := isolation(subject, ruleset.Ingress, policies, form); len(j.Chain.Steps) != 1+2 {
			b.Fatal(j.Chain)
		}
	}
}

// A port that several policies name leads to the peers of all, one that a single policy
// names to those of that one.
func TestPortsThatSeveralPoliciesName(t *testing.T) {
	subject, _ := policy.NewPod(pod(t, "a/web n1 10.0.0.2"))
	var policies []*policy.Policy
	for i, text := range []string{"{port: 80, endPort: 81}", "{port: 80}", "{port: 82}"} {
		policies = append(policies, policy.Parse(netpol(t,
			fmt.Sprintf("a/p%d {ingress: [{from: [{podSelector: {matchLabels: {app: x%d}}}], "+
				"ports: [%s]}]}", i, i, text))))
	}
	j := isolation(subject, ruleset.Ingress, policies,
		compile.Form{Form: ruleset.FullForm(), MergeAbove: 1})
	peers, comments := map[ruleset.ChainID]string{}, map[ruleset.SetID]string{}
	for _, s := range j.Sources {
		comments[s.ID] = s.Comment
	}
	for _, c := range j.Shared {
		peers[c.ID] = comments[c.Steps[0].(ruleset.Rule).Peer.Set]
	}
	var got []string
	for _, m := range j.Sources[len(j.Sources)-1].Jumps {
		got = append(got, fmt.Sprintf("%s %d %s # %s", m.Proto, m.Port, peers[m.Chain], m.Reason))
	}
	want := []string{
		"tcp 80 pods app=x0 in namespace a or 1 more # a/p0 ingress[0], a/p1 ingress[0]",
		"tcp 81 pods app=x0 in namespace a # a/p0 ingress[0]",
		"tcp 82 pods app=x2 in namespace a # a/p2 ingress[0]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
