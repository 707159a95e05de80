package reach

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/oracle/scene"
	"github.com/picket-project/picket/ruleset/policy"
)

// An address outside is in the ranges of WhoCan where the oracle lets it reach all pods of the target,
// and nowhere else.
func TestRangesAreTheOracles(t *testing.T) {
	in, out := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 24))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0})
		c := ask.New(policy.Objects(*w), nil)
		port := ask.Port{Protocol: ruleset.TCP, Number: 80}
		to := targetOf(slices.DeleteFunc(slices.Clone(c.Pods), func(p ask.Pod) bool {
			return p.Host || c.Disputed(p) || r.IntN(2) == 0
		}), port)
		if len(to.Asks) == 0 {
			continue
		}
		var ranges []ruleset.Range
		for _, x := range WhoCan(c, to).Outside {
			ranges = append(ranges, x.ranges...)
		}
		for _, a := range addressesOutside(c) {
			want, families := true, 0
			for _, p := range to.Asks {
				for _, f := range ask.Flows([]netip.Addr{a}, p.Addrs, port) {
					families++
					want = want && w.Allowed(oracle.Flow{From: f.From, To: f.To,
						Protocol: corev1.ProtocolTCP, Port: 80})
				}
			}
			// A pod without the family decides nothing about it.
			if families < len(to.Asks) || families == 0 {
				continue
			}
			got := slices.ContainsFunc(ranges, func(x ruleset.Range) bool { return x.Contains(a) })
			if got != want {
				t.Fatalf("world %d: %s to %d pods: %t, the oracle says %t", seed, a, len(to.Asks), got,
					want)
			}
			if want {
				in++
			} else {
				out++
			}
		}
	}
	if t.Logf("%d are in, %d are not", in, out); min(in, out) < 200 {
		t.Error("too few to tell anything")
	}
}

// targetOf is a port of pods.
func targetOf(pods []ask.Pod, port ask.Port) ask.Target {
	to := ask.Target{End: ask.End{Pods: pods}, Port: port.String()}
	for i := range pods {
		to.Asks = append(to.Asks, ask.Ask{Point: ask.Point{Pod: &pods[i], Addrs: pods[i].Addrs},
			Port: port})
	}
	return to
}

// addressesOutside are those that no pod and no node has, at the ends of all ipBlocks and beside them.
func addressesOutside(c *ask.Cluster) (list []netip.Addr) {
	list = slices.Clone(c.Outside())
	for _, p := range c.Policies {
		for _, r := range slices.Concat(p.Rules[:]...) {
			for _, b := range r.Blocks {
				list = append(list, b.First.Prev(), b.First, b.Last, b.Last.Next())
			}
		}
	}
	var taken []netip.Prefix
	for _, n := range c.NodeNames() {
		addrs, _ := c.NodeAddrs(n)
		for _, a := range addrs {
			taken = append(taken, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	taken = append(taken, c.PodRanges()...)
	return slices.DeleteFunc(list, func(a netip.Addr) bool {
		return !a.IsValid() || c.HasPodAt(a) || slices.ContainsFunc(taken, func(p netip.Prefix) bool {
			return p.Contains(a)
		})
	})
}

// What is said of several pods holds of each, and what allows nothing outside is not said to.
func TestOutside(t *testing.T) {
	for what, test := range map[string]struct {
		first, second string // rules for egress of a/web and of a/api
		want          string
	}{
		"the same": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`,
			`[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`, "10.0.0.0/8 by web egress[0] api egress[0]"},
		"one within the other": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`,
			`[{to: [{ipBlock: {cidr: 10.1.0.0/16}}]}]`, "10.1.0.0/16 by web egress[0] api egress[0]"},
		"a part of both": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]`,
			`[{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/9]}}]}]`,
			"10.128.0.0/9 by web egress[0] api egress[0]"},
		"one of several": {`[{to: [{ipBlock: {cidr: 10.1.0.0/16}}, {ipBlock: {cidr: 10.2.0.0/16}}]}]`,
			`[{to: [{ipBlock: {cidr: 10.2.0.0/16}}]}]`, "10.2.0.0/16 by web egress[0] api egress[0]"},
		"everybody": {`[{}]`, `[{to: [{ipBlock: {cidr: 10.1.0.0/16}}]}]`,
			"10.1.0.0/16 by web egress[0] api egress[0]"},
		"both families": {`[{}]`, `[{to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "::/0"}}]}]`,
			"everybody outside by web egress[0] api egress[0]"},
		"none":         {`[{}]`, `[]`, ""},
		"a named port": {`[{ports: [{port: http}]}]`, `[{}]`, ""},
		"a named port of a block": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}]`,
			`[{}]`, ""},
		"a name and a number": {`[{ports: [{port: http}, {port: 443}]}]`, `[{}]`,
			"everybody outside by web egress[0] api egress[0]"},
		"a wrong block": {`[{to: [{ipBlock: {cidr: 10.0.0.0/33}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]`,
			`[{}]`, "10.0.0.0/8 by web egress[0] api egress[0]"},
		"a block that is a selector, too": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]`,
			`[{}]`, ""},
		"a block of which nothing is left": {`[{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]`,
			`[{}]`, ""},
	} {
		w, err := scene.Cluster()
		for app, rules := range map[string]string{"web": test.first, "api": test.second} {
			if err == nil {
				w, err = scene.Edit(w, "policy a/"+app+" {podSelector: {matchLabels: {app: "+app+
					"}}, policyTypes: [Egress], egress: "+rules+"}")
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		c := ask.New(policy.Objects(*w), nil)
		var end ask.End
		for _, name := range []string{"web", "api"} {
			p, _ := c.Pod(policy.Key{Namespace: "a", Name: name})
			end.Pods = append(end.Pods, p)
		}
		var got []string
		for _, x := range From(c, end).Outside {
			got = append(got, x.Addresses+" by "+strings.Join(x.AllowedBy, " "))
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("%s: %q, expected %q", what, text, test.want)
		}
	}
}
