package compile_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// compiled is the program of a node of cluster with these policies, its digests replaced by
// what they stand for, without the fixed sets.
func compiled(t *testing.T, node string, policies ...string) string {
	t.Helper()
	w := with(t, "")
	for _, text := range policies {
		w.Policies = append(w.Policies, netpol(t, text))
	}
	program, _ := compile.Compile(compile.SnapshotOf(policy.Objects(*w), node))
	program.Sets = slices.DeleteFunc(program.Sets, func(s ruleset.Set) bool { return s.ID.Fixed() })
	text := program.String()
	for _, s := range program.Sets {
		text = strings.ReplaceAll(text, s.ID.Key, "*")
	}
	return strings.Join(strings.Fields(text), " ")
}

// A node holds what its own pods need, and nothing else.
func TestCompileForOneNode(t *testing.T) {
	const n1 = "node 10.77.0.11 node fd77::11"
	const db = "a/db {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: " +
		"{matchLabels: {app: web}}}]}]}"
	for _, row := range []struct {
		name, node string
		policies   []string
		want       string
	}{
		{"no policies", "n1", nil, n1},
		{"a policy for pods of another node", "n1", []string{db}, n1},
		{"a policy for nobody", "n1", []string{"b/p {ingress: [{from: [{podSelector: {}}]}]}"}, n1},
		{"a node that is no object has no addresses", "n4", []string{"a/p {}"}, ""},
		{"a policy for its pod, about a pod of another node", "n2", []string{db},
			"node 10.77.0.12 node fd77::12 " +
				"set pods4-* # pods app=web in namespace a 10.244.1.2 set pods6-* # pods app=web in " +
				"namespace a fd00:10:244:1::2 " +
				"chain ingress/a/db allow from @pods4-* any # a/db ingress[0] allow from @pods6-* " +
				"any # a/db ingress[0] " +
				"allow from 10.244.2.2/32 any # itself allow from fd00:10:244:2::2/128 any # itself " +
				"drop # isolated by a/db " +
				"dispatch ingress 10.244.2.2 -> ingress/a/db dispatch ingress fd00:10:244:2::2 -> " +
				"ingress/a/db"},
		{"a set that nobody is in stays nobody's", "n2",
			[]string{"ab/p {policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: " +
				"{app: x}}}]}]}"},
			"node 10.77.0.12 node fd77::12 set pods4-* # pods app=x in namespace ab set pods6-* " +
				"# pods app=x in namespace ab " +
				"chain egress/ab/web allow to @pods4-* any # ab/p egress[0] allow to @pods6-* " +
				"any # ab/p egress[0] " +
				"allow to 10.244.2.3/32 any # itself allow to fd00:10:244:2::3/128 any # itself " +
				"drop # isolated by ab/p " +
				"dispatch egress 10.244.2.3 -> egress/ab/web dispatch egress fd00:10:244:2::3 -> " +
				"egress/ab/web"},
	} {
		if diff := cmp.Diff(row.want, compiled(t, row.node, row.policies...)); diff != "" {
			t.Errorf("%s: want - got +\n%s", row.name, diff)
		}
	}
}

// The fixed sets say where the node's pods are, which addresses are nodes', and where
// tunnels end.
func TestCompileFillsTheFixedSets(t *testing.T) {
	snapshot := compile.SnapshotOf(policy.Objects(*with(t, "")), "n1")
	snapshot.Links = []ruleset.Link{{Name: "cni0",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.2")}}}
	snapshot.TunnelPorts = []ruleset.Tunnel{{Proto: ruleset.UDP, Port: 8472}}
	program, _ := compile.Compile(snapshot)
	const want = `node 10.77.0.11
node fd77::11
link cni0
set pods4-bound  # addresses that come in by their own interface only
  10.244.1.2
set pods4-nodes  # addresses of nodes
  10.77.0.11
  10.77.0.12
  10.77.0.13
  10.244.2.0
  10.244.2.1
  10.244.3.0
  10.244.3.1
set pods6-nodes  # addresses of nodes
  fd00:10:244:2::
  fd00:10:244:2::1
  fd00:10:244:3::
  fd00:10:244:3::1
  fd77::11
  fd77::12
  fd77::13
set links4-behind  # interfaces of this node's pods, with the addresses behind them
  cni0 10.244.1.2
set ports-tunnels  # where nodes unpack tunnels
  udp 8472
`
	if diff := cmp.Diff(want, program.String()); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	to := func(addr string, port uint16) ruleset.Verdict {
		v, _ := program.Decide(ruleset.Flow{From: netip.MustParseAddr("10.244.1.2"),
			To: netip.MustParseAddr(addr), Proto: ruleset.UDP, Port: port})
		return v
	}
	if to("10.77.0.12", 8472) != ruleset.Denied || to("10.77.0.12", 8473) != ruleset.Allowed ||
		to("192.0.2.1", 8472) != ruleset.Allowed {
		t.Error("a pod reaches the tunnel of another node, or not what is none")
	}
}

// The program depends on what there is, not on the order it is listed in, and compiling
// changes nothing.
func TestCompileDoesNotDependOnOrder(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		snapshot := compile.SnapshotOf(policy.Objects(*oracle.Random(r, oracle.Size{})), "n1")
		want, problems := compile.Compile(snapshot)
		text := want.String()
		shuffle(r, snapshot.Namespaces)
		shuffle(r, snapshot.Nodes)
		shuffle(r, snapshot.Pods)
		shuffle(r, snapshot.Policies)
		got, again := compile.Compile(snapshot)
		if diff := cmp.Diff(text, got.String()); diff != "" || len(problems) != len(again) {
			t.Fatalf("-seed=%d: as drawn - shuffled +\n%s\nproblems %v, then %v", seed, diff,
				problems, again)
		}
		if want.String() != text {
			t.Fatalf("-seed=%d: the second compilation changed the first program", seed)
		}
	}
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// The problems of all policies are told, in the order of their names, whoever they select.
func TestCompileTellsAllProblems(t *testing.T) {
	w := with(t, "")
	for _, text := range []string{"b/p {policyTypes: [x]}", "a/q {ingress: [{ports: [{port: 0}]}]}",
		"a/fine {}", "a/p {ingress: [{from: [{}]}]}"} {
		w.Policies = append(w.Policies, netpol(t, text))
	}
	for _, node := range []string{"n1", "n2", "none"} {
		_, problems := compile.Compile(compile.SnapshotOf(policy.Objects(*w), node))
		var names []string
		for _, p := range problems {
			names = append(names, p.Policy.String())
		}
		if got := strings.Join(names, " "); got != "a/p a/q b/p" {
			t.Errorf("%s: %s", node, got)
		}
	}
}

// The denial is the end of every chain, and no rule of any.
func TestCompileDenial(t *testing.T) {
	w := with(t, "")
	w.Policies = append(w.Policies, netpol(t, "a/p {egress: [{}]}"))
	snapshot := compile.SnapshotOf(policy.Objects(*w), "n1")
	snapshot.Denial = ruleset.Reject
	program, _ := compile.Compile(snapshot)
	if got := strings.Count(program.String(), "\n  reject  # isolated by a/p\n"); got != 6 ||
		len(program.Chains) != 6 {
		t.Errorf("%d rejections in\n%s", got, program)
	}
}

// Nothing that the API server lets in is a problem.
func TestValidWorldsHaveNoProblems(t *testing.T) {
	for seed := range uint64(300) {
		w := oracle.Random(rand.New(rand.NewPCG(seed, 1)), oracle.Size{Valid: true})
		if _, problems := compile.Compile(compile.SnapshotOf(policy.Objects(*w), "n1")); len(
			problems) > 0 {
			t.Fatalf("-seed=%d: %v\n%v", seed, problems, w)
		}
	}
}
