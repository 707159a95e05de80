package reach_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
	"github.com/picket-project/picket/ruleset/policy"
)

// What Compare says is cut and opened between pods is what the oracle says.
func TestDiffIsTheOracles(t *testing.T) {
	changed := 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 23))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0, Policies: 6, Pods: 6})
		before, after := *w, *w
		if n := len(w.Policies); n > 0 {
			before.Policies, after.Policies = w.Policies[:n-n/3], w.Policies[n/3:]
		}
		b, a := ask.New(policy.Objects(before), nil), ask.New(policy.Objects(after), nil)
		got := reach.Compare(b, a)
		cuts, opens := opinions(&before, &after, b.Pods)
		if links := between(got.Cuts); !slices.Equal(links, cuts) {
			t.Fatalf("world %d: cuts %v, the oracle says %v", seed, links, cuts)
		}
		if links := between(got.Opens); !slices.Equal(links, opens) {
			t.Fatalf("world %d: opens %v, the oracle says %v", seed, links, opens)
		}
		changed += len(cuts) + len(opens)
	}
	if t.Logf("%d links changed", changed); changed < worlds {
		t.Error("too few links changed to tell anything")
	}
}

// The end of an audit is a change of the policy, also where the namespace ends it.
func TestDiffOfAnAudit(t *testing.T) {
	for _, audit := range []string{"patch policy a/db", "patch namespace a"} {
		w, err := scene.Cluster()
		if err == nil {
			w, err = scene.Edit(w, "policy a/db {podSelector: {matchLabels: {app: db}}}")
		}
		if err != nil {
			t.Fatal(err)
		}
		audited, err := scene.Edit(w, audit+` {metadata: {annotations: {picket.dev/audit: "true"}}}`)
		if err != nil {
			t.Fatal(err)
		}
		d := reach.Compare(ask.New(policy.Objects(*audited), nil), ask.New(policy.Objects(*w), nil))
		want := []reach.PolicyChange{{Policy: "a/db", Change: "changed"}}
		if !slices.Equal(d.Policies, want) || len(d.Isolates) != 1 || len(d.Cuts) == 0 ||
			len(d.Opens) > 0 {
			t.Errorf("%s: %+v", audit, d)
		}
	}
}

// between returns the links between pods, as texts, sorted.
func between(links []reach.Link) []string {
	var all []string
	for _, l := range links {
		if l.From != ask.Internet && l.To != ask.Internet {
			all = append(all, fmt.Sprintf("%s %s %s", l.From, l.To, l.Port))
		}
	}
	slices.Sort(all)
	return all
}

// opinions asks the oracle about every pair of pods and every declared port.
func opinions(before, after *oracle.World, pods []ask.Pod) (cuts, opens []string) {
	for _, from := range pods {
		for _, to := range pods {
			if from.Host || to.Host || from.Key == to.Key {
				continue
			}
			for _, port := range append([]ask.Port{{}}, to.Ports...) {
				name := port.String()
				if port.Protocol == ruleset.AnyProtocol {
					name = reach.Other
				}
				text := fmt.Sprintf("%s %s %s", from.Workload, to.Workload, name)
				was, is := opinion(before, from, to, port), opinion(after, from, to, port)
				if was && !is {
					cuts = append(cuts, text)
				}
				if is && !was {
					opens = append(opens, text)
				}
			}
		}
	}
	slices.Sort(cuts)
	slices.Sort(opens)
	return cuts, opens
}
