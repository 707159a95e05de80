package reach_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

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
		if !isOutside(l.From) && !isOutside(l.To) {
			all = append(all, fmt.Sprintf("%s %s %s %s", l.From, l.To, l.Port, l.Family))
		}
	}
	slices.Sort(all)
	return all
}

// isOutside reports whether a name of a link is no workload's.
func isOutside(name string) bool {
	first, _, isRange := strings.Cut(name, "-")
	_, notAddr := netip.ParseAddr(first)
	_, notPrefix := netip.ParsePrefix(name)
	return name == ask.Internet || notPrefix == nil || isRange && notAddr == nil
}

// opinions asks the oracle about every pair of pods and every port that is declared or that a rule
// names which may have changed.
func opinions(before, after *oracle.World, pods []ask.Pod) (cuts, opens []string) {
	named := namedPorts(before, after)
	for _, from := range pods {
		for _, to := range pods {
			if from.Host || to.Host || from.Key == to.Key {
				continue
			}
			ports := slices.Concat([]ask.Port{{}}, to.Ports, named)
			slices.SortFunc(ports, ask.Port.Compare)
			for _, port := range slices.CompactFunc(ports, ask.Port.Same) {
				was, is := families(before, from, to, port), families(after, from, to, port)
				text := fmt.Sprintf("%s %s %s", from.Workload, to.Workload, nameOf(port))
				if cut, family := lost(was, is); cut {
					cuts = append(cuts, text+" "+family)
				}
				if opened, family := lost(is, was); opened {
					opens = append(opens, text+" "+family)
				}
			}
		}
	}
	slices.Sort(cuts)
	slices.Sort(opens)
	return cuts, opens
}

// nameOf is a port as links have it.
func nameOf(port ask.Port) string {
	switch {
	case port.Protocol == ruleset.AnyProtocol:
		return reach.Other
	case port.Number == 0:
		return port.Protocol.String() + "/" + reach.Other
	}
	return port.String()
}

// families asks the oracle about each family of a pair.
func families(w *oracle.World, from, to ask.Pod, port ask.Port) map[ruleset.Family]bool {
	all := map[ruleset.Family]bool{}
	for _, family := range ruleset.Families {
		of := func(p ask.Pod) ask.Pod {
			p.Addrs = slices.DeleteFunc(slices.Clone(p.Addrs), func(a netip.Addr) bool {
				return ruleset.FamilyOf(a) != family
			})
			return p
		}
		if a, b := of(from), of(to); len(a.Addrs) > 0 && len(b.Addrs) > 0 {
			all[family] = opinion(w, a, b, port)
		}
	}
	return all
}

// lost reports whether a family is let through no more, and which one where there are two and it is
// one of them.
func lost(was, is map[ruleset.Family]bool) (any bool, family string) {
	var list []string
	for _, f := range ruleset.Families {
		if was[f] && !is[f] {
			list = append(list, f.String())
		}
	}
	if len(list) == 1 && len(was) == 2 {
		family = list[0]
	}
	return len(list) > 0, family
}

// namedPorts returns both ends of all ports that policies name by number which are in one world only.
func namedPorts(before, after *oracle.World) (ports []ask.Port) {
	for _, pair := range [][2]*oracle.World{{before, after}, {after, before}} {
		for _, np := range pair[0].Policies {
			if slices.ContainsFunc(pair[1].Policies, func(o *networkingv1.NetworkPolicy) bool {
				return o.Namespace == np.Namespace && o.Name == np.Name
			}) {
				continue
			}
			p := policy.Parse(np)
			for _, r := range slices.Concat(p.Rules[:]...) {
				for _, some := range r.Ports {
					if len(some.Ranges) == 0 {
						ports = append(ports, ask.Port{Protocol: some.Proto})
					}
					for _, one := range some.Ranges {
						ports = append(ports, ask.Port{Protocol: some.Proto, Number: one.First},
							ask.Port{Protocol: some.Proto, Number: one.Last})
					}
				}
			}
		}
	}
	return ports
}

// What a rule names need not be declared by a pod, or be a pod: the port, one family, a part of a
// block, or the internet.
func TestDiffOfWhatNoPodDeclares(t *testing.T) {
	const free = "policy b/lone {podSelector: {}, policyTypes: [Ingress, Egress], "
	for name, c := range map[string]struct {
		before, after string
		cuts          []string // some of those that there must be
	}{
		"a port of the internet": {
			`egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}`,
			`egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 8443}]}]}`,
			[]string{"b/lone internet tcp/443 IPv4"},
		},
		"a port that nobody declares": {
			`ingress: [{ports: [{port: 5432}]}]}`, `ingress: [{ports: [{port: 5433}]}]}`,
			[]string{"a/web b/lone tcp/5432 ", "internet b/lone tcp/5432 "},
		},
		"the end of a range": {
			`ingress: [{ports: [{port: 8000, endPort: 8100}]}]}`,
			`ingress: [{ports: [{port: 8000, endPort: 8099}]}]}`,
			[]string{"a/web b/lone tcp/8100 "},
		},
		"all ports of a protocol": {
			`ingress: [{ports: [{protocol: UDP}]}]}`, `ingress: [{ports: [{protocol: TCP}]}]}`,
			[]string{"a/web b/lone udp/other "},
		},
		"one family": {
			`ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "::/0"}}]}]}`,
			`ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`,
			[]string{"internet b/lone other IPv6", "a/web b/lone other IPv6"},
		},
		"a part of a block": {
			`ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}`,
			`ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/16, except: [192.168.7.0/24]}}]}]}`,
			[]string{"192.168.7.0/24 b/lone other "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			states := make([]*ask.Cluster, 2)
			for i, spec := range []string{c.before, c.after} {
				w, err := scene.Cluster()
				if err == nil {
					w, err = scene.Edit(w, free+spec)
				}
				if err != nil {
					t.Fatal(err)
				}
				states[i] = ask.New(policy.Objects(*w), nil)
			}
			d := reach.Compare(states[0], states[1])
			var got []string
			for _, l := range d.Cuts {
				got = append(got, fmt.Sprintf("%s %s %s %s", l.From, l.To, l.Port, l.Family))
			}
			for _, want := range c.cuts {
				if !slices.Contains(got, want) {
					t.Errorf("no cut %q in %q", want, got)
				}
			}
		})
	}
}
