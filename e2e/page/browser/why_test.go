package browser

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/cmd/inspect/report"
	"github.com/picket-project/picket/cmd/inspect/why"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// said is what the page says of a port between two workloads.
type said struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Port     string `json:"port"`
	Verdict  string `json:"verdict"`
	Pairs    int    `json:"pairs"`
	Audited  int    `json:"audited"`
	NoFamily bool   `json:"noFamily"`
	Halves   []half `json:"halves"`
}

// half is what it says of one direction.
type half struct {
	Direction string   `json:"direction"`
	Lets      bool     `json:"lets"`
	By        []string `json:"by"`
	AllowedBy []rule   `json:"allowedBy"`
	Nearest   *rule    `json:"nearest"`
	Reason    string   `json:"reason"`
	Audited   []string `json:"audited"`
	WouldDeny bool     `json:"wouldDeny"`
}

// rule is a rule with what it lacks.
type rule struct {
	Policy string   `json:"policy"`
	Rule   int      `json:"rule"`
	Peer   []string `json:"peer"`
	Port   []string `json:"port"`
}

// everything asks the page about every port between every two workloads.
const everything = `(() => {
	const of = (r) => ({ policy: data.policies[r.rule.policy].name, rule: r.rule.index,
		peer: r.peer, port: r.port });
	const all = [];
	data.workloads.forEach((from, a) => data.workloads.forEach((to, b) => {
		for (const port of portsOf(b)) {
			const answer = why(a, b, port);
			if (!answer) continue;
			all.push({ from: from.name, to: to.name, port, verdict: answer.verdict,
				pairs: answer.of, audited: answer.audited, noFamily: answer.noFamily, halves: answer.halves.map((h) => ({
					direction: h.direction, lets: h.lets, reason: h.reason, wouldDeny: h.wouldDeny,
					audited: h.audited.map((p) => data.policies[p].name), by: h.by.map((p) => data.policies[p].name),
					allowedBy: h.allowedBy.map(of), nearest: h.rules[0] && of(h.rules[0]) })) });
		}
	}));
	return all;
})()`

// What the script of the page explains is what why explains, in random worlds.
func TestThePageExplainsAsWhyDoes(t *testing.T) {
	b := open(t)
	answers, denied, audited := 0, 0, 0
	for seed := range uint64(30) {
		w := oracle.Random(rand.New(rand.NewPCG(seed, 33)), oracle.Size{Valid: seed%2 == 0, Pods: 6})
		c := ask.New(policy.Objects(*w), nil)
		b.load(report.Input{Cluster: c})
		for _, s := range eval[[]said](b, everything) {
			want, asked := explained(c, s)
			if !asked {
				continue
			}
			answers++
			if want.Verdict == why.Denied {
				denied++
			}
			if want.Audited > 0 {
				audited++
			}
			if s.Verdict != want.Verdict || s.Audited != want.Audited || s.NoFamily != want.NoFamily {
				t.Fatalf("world %d: %+v, why says %+v", seed, s, want)
			}
			for i, h := range want.Directions {
				checkHalf(t, s, i, h)
			}
		}
		for _, wrong := range b.complaints() {
			t.Error(wrong)
		}
	}
	t.Logf("%d answers, %d denied, %d audited", answers, denied, audited)
	if denied < answers/10 || audited < answers/50 {
		t.Error("too few are denied or audited to tell anything")
	}
}

// explained asks why the same. Names that two pods have cannot be asked about.
func explained(c *ask.Cluster, s said) (a why.Answer, ok bool) {
	port := ":" + s.Port
	if s.Port == reach.Other {
		port = "/icmp"
	} else if i := slices.Index([]byte(s.Port), '/'); i > 0 {
		port = ":" + s.Port[i+1:] + "/" + s.Port[:i]
	}
	from, err := c.End(s.From, "")
	if err != nil || len(from.Pods) > 1 {
		return a, false
	}
	to, err := c.Target(s.To+port, "")
	if err != nil || len(to.Pods) > 1 || s.From == s.To {
		return a, false
	}
	a = why.Explain(c, from, to)
	return a, a.Pairs == s.Pairs
}

// checkHalf compares one direction.
func checkHalf(t *testing.T, s said, i int, want why.Half) {
	t.Helper()
	got := s.Halves[i]
	if got.Direction != want.Direction || got.Lets != (want.Verdict == why.Allowed) ||
		got.WouldDeny != want.WouldDeny || !slices.Equal(got.Audited, want.Audited) ||
		!slices.Equal(got.By, want.IsolatedBy) {
		t.Fatalf("%+v, why says %+v", s, want)
	}
	// Only a disputed address makes a verdict another than the policies do.
	if strings.Contains(got.Reason, "do not explain it") {
		t.Fatalf("%s: %+v", got.Reason, s)
	}
	// At an address that several pods claim the policies of all of them decide, which the page does
	// not explain.
	if len(want.IsolatedBy) == 0 {
		return
	}
	for _, o := range want.AllowedBy {
		is := func(r rule) bool { return r.Policy == o.Policy && r.Rule == o.Rule }
		if !slices.ContainsFunc(got.AllowedBy, is) {
			t.Fatalf("%+v, why says that %+v allows it", s, o)
		}
	}
	if want.Reason != why.NoRule || len(want.Rules) == 0 {
		return
	}
	r := want.Rules[0]
	if got.Nearest == nil || got.Nearest.Policy != r.Policy || got.Nearest.Rule != r.Rule ||
		!same(got.Nearest.Peer, r.Peer.Missing) || !same(got.Nearest.Port, r.Port.Missing) {
		t.Fatalf("nearest %+v, why says %+v", got.Nearest, r)
	}
}

// same reports whether two lists have the same texts.
func same(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))),
		slices.Compact(slices.Sorted(slices.Values(b))))
}
