package compile_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// With too little room for them policies isolate as ever. What is allowed then is no more
// than the oracle says, and no less than it says where the policies allow nothing that are
// reported.
func TestWithoutRoomPoliciesOnlyIsolate(t *testing.T) {
	beyond := 0
	for i := range max(*worlds/10, 1) {
		s := *seed + uint64(i)
		r, w := drawWorld(s, 5)
		programs, reported := compileScarce(r, w)
		beyond += len(reported)
		strict := allowNothing(w, reported)
		for _, f := range sample(r, w, w.Flows(), 100) {
			got, traces := decide(programs, f)
			if got && !w.Allowed(f) || !got && strict.Allowed(f) {
				t.Fatalf("-seed=%d: %v: allowed %t by %v; beyond the budgets: %v\n%v", s, f, got,
					traces, reported, w)
			}
		}
	}
	if beyond < *worlds/20 {
		t.Errorf("%d policies were beyond the budgets of %d worlds: that says too little", beyond,
			*worlds/10)
	}
}

// compileScarce compiles a world for all of its nodes with small budgets, and returns who
// was told that they are beyond.
func compileScarce(r *rand.Rand, w *oracle.World) (programs []*ruleset.Program,
	reported map[string]bool) {
	need := func(most int) compile.Need {
		return compile.Need{Members: r.IntN(4 * most), Sets: 1 + r.IntN(most), Rules: 1 +
			r.IntN(2*most), Longest: 1 + r.IntN(most)}
	}
	reported = map[string]bool{}
	snapshot := compile.SnapshotOf(policy.Objects(*w), "")
	snapshot.MergeAbove = r.IntN(2)
	snapshot.Budgets = compile.Budgets{Pod: need(12), Namespace: need(16), Node: need(24),
		MinPods: 1}
	for _, snapshot.Node = range nodesOf(w) {
		program, problems := compile.Compile(snapshot)
		programs = append(programs, program)
		for _, p := range problems {
			if strings.Contains(p.Error.Error(), "Forbidden") {
				reported[p.Policy.String()] = true
			}
		}
	}
	return programs, reported
}

// allowNothing returns the world with some policies that have no rules.
func allowNothing(w *oracle.World, names map[string]bool) *oracle.World {
	strict := *w
	strict.Policies = nil
	for _, p := range w.Policies {
		if names[p.Namespace+"/"+p.Name] {
			p = p.DeepCopy()
			if len(p.Spec.PolicyTypes) == 0 && len(p.Spec.Egress) > 0 {
				p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress,
					networkingv1.PolicyTypeEgress}
			}
			p.Spec.Ingress, p.Spec.Egress = nil, nil
		}
		strict.Policies = append(strict.Policies, p)
	}
	return &strict
}

// crowd is a snapshot of a namespace with many pods, of which the first is on the node, and
// one pod of another.
func crowd(t *testing.T, pods int, policies ...*networkingv1.NetworkPolicy) compile.Snapshot {
	t.Helper()
	s := compile.Snapshot{Node: "n0", Form: ruleset.FullForm()}
	for i := range pods {
		p := policy.Pod{
			Key: policy.Key{Namespace: "a", Name: fmt.Sprintf("p%d", i)}, Node: fmt.Sprintf("n%d",
				min(i, 1)),
			Labels: map[string]string{"app": fmt.Sprintf("x%d", i%50)},
			Addrs:  []netip.Addr{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})},
		}
		s.Pods = append(s.Pods, p)
	}
	s.Pods = append(s.Pods, policy.Pod{Key: policy.Key{Namespace: "b", Name: "other"}, Node: "n0",
		Addrs: []netip.Addr{netip.MustParseAddr("10.2.0.1")}})
	for _, p := range policies {
		s.Policies = append(s.Policies, policy.Parse(p))
	}
	return s
}

// peersEach is a policy with a rule for each of some selectors.
func peersEach(t *testing.T, name string, count int, selector string,
	port bool) *networkingv1.NetworkPolicy {
	t.Helper()
	var rules []string
	for i := range count {
		ports := ""
		if port {
			ports = fmt.Sprintf(", ports: [{port: %d}]", 1+i)
		}
		rules = append(rules, fmt.Sprintf("{from: [{podSelector: %s}]%s}", fmt.Sprintf(selector, i),
			ports))
	}
	return netpol(t, fmt.Sprintf("%s {podSelector: {}, ingress: [%s]}", name,
		strings.Join(rules, ", ")))
}

const notIn = "{matchExpressions: [{key: app, operator: NotIn, values: [y%d]}]}"

// One policy of 3,000 selectors that each choose nearly everybody is beyond the budgets,
// and says so. What the other policies of its pods allow stays allowed, and so does all
// that is another namespace's.
func TestPolicyThatIsTooMuchOnlyIsolates(t *testing.T) {
	for _, port := range []bool{false, true} {
		small, other := peersEach(t, "a/small", 1, "{matchLabels: {app: x%d}}", true),
			peersEach(t, "b/other", 1, "{matchLabels: {app: x%d}}", true)
		program, problems := compile.Compile(crowd(t, 1000, peersEach(t, "a/big", 3000, notIn,
			port), small, other))
		if len(problems) != 1 || problems[0].Policy.String() != "a/big" ||
			!strings.Contains(problems[0].Error.Error(), "it needs more") {
			t.Fatalf("ports %t: %v", port, problems)
		}
		members := 0
		for _, s := range program.Sets {
			members += len(s.Members)
		}
		if members > 100 {
			t.Errorf("ports %t: %d members of sets", port, members)
		}
		for text, want := range map[string]ruleset.Verdict{
			"10.1.0.50 > 10.1.0.0 1": ruleset.Allowed, "10.1.0.50 > 10.1.0.0 2": ruleset.Denied,
			"10.1.0.51 > 10.1.0.0 1": ruleset.Denied, "10.1.0.51 > 10.2.0.1 1": ruleset.Denied,
		} {
			if got, trace := program.Decide(tcpFlow(text)); got != want {
				t.Errorf("ports %t: %s: %v: %v", port, text, got, trace)
			}
		}
	}
}

func tcpFlow(text string) (f ruleset.Flow) {
	var from, to string
	_, _ = fmt.Sscanf(text, "%s > %s %d", &from, &to, &f.Port)
	f.From, f.To, f.Proto = netip.MustParseAddr(from), netip.MustParseAddr(to), ruleset.TCP
	return f
}

// What is large and of use has room.
func TestLargePoliciesHaveRoom(t *testing.T) {
	var blocks, ports []string
	for i := range 30000 {
		blocks = append(blocks, fmt.Sprintf("{ipBlock: {cidr: 100.%d.%d.1/32}}", i/250, i%250))
	}
	for i := range 1000 {
		ports = append(ports, fmt.Sprintf("{port: %d, endPort: %d}", 1+i*64, 64+i*64))
	}
	for name, p := range map[string]*networkingv1.NetworkPolicy{
		"8,000 peers, each with a port": peersEach(t, "a/p", 8000, "{matchLabels: {app: x%d}}",
			true),
		"30,000 blocks": netpol(t, "a/p {ingress: [{from: ["+
			strings.Join(blocks, ", ")+"], ports: [{port: 80}, {port: 443}]}]}"),
		"1,000 port ranges": netpol(t,
			"a/p {ingress: [{from: [{podSelector: {}}], ports: ["+strings.Join(ports, ", ")+"]}]}"),
		"1,000 NotIn": peersEach(t, "a/p", 1000, notIn, true),
	} {
		if _, problems := compile.Compile(crowd(t, 200, p)); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// Policies each of which is fine can be too much together. Of those that isolate one pod
// the largest give way, of a namespace the pods whose policies need most; the order in
// which they are listed does not matter.
func TestPoliciesThatAreTooMuchTogether(t *testing.T) {
	var policies []*networkingv1.NetworkPolicy
	for i := range 6 {
		p := peersEach(t, fmt.Sprintf("a/p%d", i), 150+i, strings.Replace(notIn, "y%d",
			fmt.Sprintf("y%d-%%d", i), 1), true)
		policies = append(policies, p)
	}
	_, problems := compile.Compile(crowd(t, 2000, policies...))
	slices.Reverse(policies)
	_, reversed := compile.Compile(crowd(t, 2000, policies...))
	if len(problems) == 0 || len(problems) == 6 || problems[len(problems)-1].Policy.Name != "p5" ||
		fmt.Sprint(problems) != fmt.Sprint(reversed) {
		t.Errorf("%v\nreversed: %v", problems, reversed)
	}
}

// Whoever is refused takes no room from others.
func TestRefusedRequestsTakeNoRoom(t *testing.T) {
	budgets := compile.DefaultBudgets()
	budgets.Node = compile.Need{Members: 1000, Sets: 10, Rules: 1000}
	refused := budgets.Refuse([]compile.Request{
		{Namespace: "c", GroupKey: "c", Need: compile.Need{Sets: 3, Members: 100}},
		{Namespace: "a", GroupKey: "a", Need: compile.Need{Sets: 6}},
		{Namespace: "b", GroupKey: "b", Need: compile.Need{Sets: 8}},
	})
	if len(refused) != 1 || refused["b"] == "" {
		t.Error(refused)
	}
}

// What is only audited takes no room from what is enforced, in its namespace and on the node, and
// whoever is refused is told what that does.
func TestEnforcedComesFirst(t *testing.T) {
	budgets := compile.DefaultBudgets()
	budgets.Node = compile.Need{Members: 1000, Sets: 10, Rules: 1000}
	budgets.Namespace = compile.Need{Members: 1000, Sets: 8, Rules: 1000}
	request := func(namespace, key string, sets int, effect policy.Effect) compile.Request {
		return compile.Request{Namespace: namespace, GroupKey: key, Effect: effect,
			Policies: []*policy.Policy{{Key: policy.Key{Namespace: namespace, Name: key}}},
			Need:     compile.Need{Sets: sets}}
	}
	requests := []compile.Request{
		request("a", "tried", 1, policy.Audits), request("a", "old", 8, policy.Isolates),
		request("b", "tried", 3, policy.Audits), request("b", "old", 2, policy.Isolates),
	}
	for i := range requests {
		requests[i].GroupKey = requests[i].Namespace + "/" + requests[i].GroupKey
	}
	refused := budgets.Refuse(requests)
	if len(refused) != 2 || refused["a/tried"] == "" || refused["b/tried"] == "" {
		t.Error(refused)
	}
	for _, p := range budgets.Excess(requests, refused) {
		if text := p.Error.Error(); strings.Contains(text, "isolates") || !strings.Contains(text, "audited") {
			t.Error(text)
		}
	}
}
