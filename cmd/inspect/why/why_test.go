package why_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/why"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
	"github.com/picket-project/picket/ruleset/policy"
)

// worlds is how many random worlds are asked.
const worlds = 200

// question is a pod or address, another one, and a port.
type question struct {
	from ask.End
	to   ask.Target
}

// questions draws some about a world.
func questions(r *rand.Rand, c *ask.Cluster, count int) []question {
	var all []question
	ends := []string{ask.Internet, "8.8.8.8", "fe80::1"}
	for _, p := range c.Pods {
		ends = append(ends, p.Key.String(), p.Key.String())
	}
	for range count {
		from, err := c.End(ends[r.IntN(len(ends))], "")
		to := ends[r.IntN(len(ends))]
		if to == "fe80::1" {
			to = "[fe80::1]"
		}
		target, other := c.Target(to+[]string{":80", ":53/udp", "/icmp", ":8080"}[r.IntN(4)], "")
		if err == nil && other == nil {
			all = append(all, question{from, target})
		}
	}
	return all
}

// allowed asks the oracle about all flows of a question.
func allowed(w *oracle.World, q question) bool {
	flows := 0
	for _, a := range q.to.Asks {
		for _, p := range q.from.Points() {
			for _, f := range ask.Flows(p.Addrs, a.Addrs, a.Port) {
				flows++
				if !w.Allowed(flowOf(f)) {
					return false
				}
			}
		}
	}
	return flows > 0
}

func flowOf(f ruleset.Flow) oracle.Flow {
	o := oracle.Flow{From: f.From, To: f.To, Port: int32(f.Port)}
	if f.Proto != ruleset.AnyProtocol {
		o.Protocol = map[ruleset.Protocol]corev1.Protocol{ruleset.TCP: "TCP", ruleset.UDP: "UDP",
			ruleset.SCTP: "SCTP"}[f.Proto]
	}
	return o
}

// The verdict is the oracle's, and where a half is denied no rule of it fits wholly.
func TestExplainAgreesWithTheOracle(t *testing.T) {
	asked, denied, differ := 0, 0, 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 20))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0})
		c := ask.New(policy.Objects(*w), nil)
		for _, q := range questions(r, c, 15) {
			a := why.Explain(c, q.from, q.to)
			asked++
			if want := allowed(w, q); want != (a.Verdict == why.Allowed) {
				t.Fatalf("world %d: %s to %s: %s, the oracle says %t", seed, a.From, a.To, a.Verdict,
					want)
			}
			if a.Verdict != why.Allowed {
				denied++
			}
			if checkFamilies(t, w, a, q) {
				differ++
			}
			for _, h := range a.Directions {
				checkRules(t, c, a, h)
			}
		}
	}
	t.Logf("%d questions, %d denied, %d over one family", asked, denied, differ)
	if denied < asked/10 || differ < worlds/10 {
		t.Error("too few are denied")
	}
}

// checkFamilies compares what is said of families with the oracle, which is asked about one at a time,
// and reports whether they differ.
func checkFamilies(t *testing.T, w *oracle.World, a why.Answer, q question) (differ bool) {
	t.Helper()
	lets, there := map[string]bool{}, map[string]bool{}
	for _, p := range q.from.Points() {
		for _, to := range q.to.Asks {
			for _, f := range ask.Flows(p.Addrs, to.Addrs, to.Port) {
				family := ruleset.FamilyOf(f.From).String()
				before := lets[family] || !there[family]
				there[family], lets[family] = true, before && w.Allowed(flowOf(f))
			}
		}
	}
	// The questions of this test are about one pair each.
	if a.Family != "" && lets[a.Family] != (a.Verdict == why.Allowed) {
		t.Fatalf("%s to %s: %s over %s, the oracle says %v", a.From, a.To, a.Verdict, a.Family, lets)
	}
	for family, allowed := range lets {
		better := allowed && !lets[a.Family]
		if better != (family == a.OtherFamily && a.Verdict != why.Allowed) {
			t.Fatalf("%s to %s: other than %s is %q, the oracle says %v", a.From, a.To, a.Family,
				a.OtherFamily, lets)
		}
		differ = differ || better
	}
	return differ
}

// checkRules compares what is said of rules with the verdict of their direction.
func checkRules(t *testing.T, c *ask.Cluster, a why.Answer, h why.Half) {
	t.Helper()
	whole := slices.ContainsFunc(h.Rules, func(r why.Rule) bool { return r.Peer.Fits && r.Port.Fits })
	for _, p := range c.Pods {
		if c.Disputed(p) || p.Host {
			return // what others state decides, too
		}
	}
	if h.Reason == why.NoRule && whole || h.Reason == why.ByRule && !whole {
		t.Fatalf("%s to %s: %+v", a.From, a.To, h)
	}
}

// What would be denied is said, with the policies that are audited, and what one of them allows is
// not said to be allowed by it.
func TestExplainAudits(t *testing.T) {
	w, err := scene.Cluster()
	if err == nil {
		w, err = scene.Edit(w, `policy a/web {podSelector: {matchLabels: {app: web}},
  ingress: [{ports: [{port: 80}]}]}
patch policy a/web {metadata: {annotations: {picket.dev/audit: "true"}}}`)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := ask.New(policy.Objects(*w), nil)
	for to, want := range map[string]why.Half{
		"a/web:81": {Reason: why.AuditOnly, WouldDeny: true, Audited: []string{"a/web"}},
		"a/web:80": {Reason: why.NotIsolated, Audited: []string{"a/web"}},
		"a/api:81": {Reason: why.NotIsolated},
	} {
		from, err := c.End("ab/cli", "")
		if err != nil {
			t.Fatal(err)
		}
		target, err := c.Target(to, "")
		if err != nil {
			t.Fatal(err)
		}
		a := why.Explain(c, from, target)
		in := a.Directions[1]
		if a.Verdict != why.Allowed || (a.Audited == 1) != want.WouldDeny ||
			in.Reason != want.Reason || in.WouldDeny != want.WouldDeny ||
			!slices.Equal(in.Audited, want.Audited) || len(in.IsolatedBy)+len(in.AllowedBy) > 0 {
			t.Errorf("%s: %+v", to, a)
		}
	}
}

// The family that is denied is said, also where audited policies would deny it.
func TestExplainNamesTheFamily(t *testing.T) {
	const rules = `policy a/web {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}
`
	for _, test := range []struct{ statements, to, family, other, verdict string }{
		{rules, "internet:443", "IPv6", "IPv4", why.Denied},
		{rules, "internet:80", "IPv4", "", why.Denied},
		{rules + `patch policy a/web {metadata: {annotations: {picket.dev/audit: "true"}}}`,
			"internet:443", "IPv6", "IPv4", why.Allowed},
		{"", "internet:443", "IPv4", "", why.Allowed},
	} {
		w, err := scene.Cluster()
		if err == nil && test.statements != "" {
			w, err = scene.Edit(w, test.statements)
		}
		if err != nil {
			t.Fatal(err)
		}
		c := ask.New(policy.Objects(*w), nil)
		from, err := c.End("a/web", "")
		if err != nil {
			t.Fatal(err)
		}
		to, err := c.Target(test.to, "")
		if err != nil {
			t.Fatal(err)
		}
		a := why.Explain(c, from, to)
		if a.Family != test.family || a.OtherFamily != test.other || a.Verdict != test.verdict {
			t.Errorf("%s: %s over %s, other than over %q", test.to, a.Verdict, a.Family, a.OtherFamily)
		}
	}
}

// What Patch returns allows the flow, and forbids nothing that was allowed.
func TestPatchesAllow(t *testing.T) {
	patched, impossible := 0, 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 21))
		w := oracle.Random(r, oracle.Size{Valid: seed%4 != 0, Policies: 6})
		c := ask.New(policy.Objects(*w), nil)
		for _, q := range questions(r, c, 5) {
			if why.Explain(c, q.from, q.to).Verdict == why.Allowed {
				continue
			}
			policies, err := why.Patch(c, q.from, q.to)
			if err != nil && !errors.Is(err, why.ErrNoPatch) {
				t.Fatal(err)
			}
			if err != nil && strings.Contains(err.Error(), "family") {
				continue
			}
			if err != nil {
				if seed%4 != 0 && !disputed(c) {
					t.Errorf("world %d: %s to %s: %v", seed, q.from.Name, q.to.Name, err)
				}
				impossible++
				continue
			}
			patched++
			checkPatch(t, r, w, q, policies)
		}
	}
	if t.Logf("%d patched, %d impossible", patched, impossible); patched < 3*impossible {
		t.Error("too many have no patch")
	}
}

// disputed reports whether any pod has an address that somebody else states, too.
func disputed(c *ask.Cluster) bool { return slices.ContainsFunc(c.Pods, c.Disputed) }

// checkPatch applies a patch, and asks the oracle whether it allows what it should.
func checkPatch(t *testing.T, r *rand.Rand, w *oracle.World, q question,
	policies []*networkingv1.NetworkPolicy) {
	t.Helper()
	after := *w
	after.Policies = slices.Concat(w.Policies, policies)
	if !allowed(&after, q) {
		t.Fatalf("%s to %s: not allowed by %v", q.from.Name, q.to.Name, policies)
	}
	flows := w.Flows()
	for range 20 {
		if f := flows[r.IntN(len(flows))]; w.Allowed(f) && !after.Allowed(f) {
			t.Fatalf("%s to %s: %v forbid %v", q.from.Name, q.to.Name, policies, f)
		}
	}
}
