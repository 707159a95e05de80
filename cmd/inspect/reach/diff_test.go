package reach_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
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
		named := namedPorts(&before, &after)
		cuts := opinions([2]*oracle.World{&before, &after}, b.Pods, named, got.Cuts)
		opens := opinions([2]*oracle.World{&after, &before}, b.Pods, named, got.Opens)
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
	_, isRange := rangeOf(name)
	return name == ask.Internet || isRange
}

// opinions asks the oracle what is let through in the first of two worlds alone: between every pair
// of pods, at every port that is declared, that changed rules name or that there is a link of.
func opinions(
	worlds [2]*oracle.World, pods []ask.Pod, named []ask.Port, links []reach.Link,
) (changes []string) {
	for _, from := range pods {
		for _, to := range pods {
			if from.Host || to.Host || from.Key == to.Key {
				continue
			}
			ports := slices.Concat([]ask.Port{{}}, to.Ports, named, portsBetween(links, from, to))
			slices.SortFunc(ports, ask.Port.Compare)
			for _, port := range slices.CompactFunc(ports, ask.Port.Same) {
				was, is := families(worlds[0], from, to, port), families(worlds[1], from, to, port)
				if changed, family := lost(was, is); changed {
					changes = append(changes, fmt.Sprintf("%s %s %s %s", from.Workload, to.Workload,
						nameOf(port), family))
				}
			}
		}
	}
	slices.Sort(changes)
	return changes
}

// portsBetween returns the ports of the links between two pods.
func portsBetween(links []reach.Link, from, to ask.Pod) (ports []ask.Port) {
	for _, l := range links {
		if l.From == from.Workload.String() && l.To == to.Workload.String() {
			ports = append(ports, portNamed(l.Port))
		}
	}
	return ports
}

// portNamed reads a port as links have it.
func portNamed(text string) ask.Port {
	proto, number, _ := strings.Cut(text, "/")
	p, _ := ruleset.ParseProtocol(proto)
	n, _ := strconv.ParseUint(number, 10, 16)
	return ask.Port{Protocol: p, Number: uint16(n)}
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

// namedPorts returns both ends of all ports that policies name by number which are in one world
// only.
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
	// What stays as it is.
	const besides = `ingress: [{from: [{ipBlock: {cidr: 172.16.0.0/16}}, {ipBlock: {cidr: 10.0.0.0/8, ` +
		`except: [10.20.1.0/24]}}]}, {ports: [{port: 7000}, {port: 7002}]}]}` + "\n" +
		"policy b/changed {podSelector: {}, policyTypes: [Ingress], "
	const sender = "\n" + `policy a/web {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], ` +
		`egress: [{ports: [{port: 6500}]}]}`
	const labelled = `ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}], ` +
		`ports: [{port: 5432}]}]}`
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
		"what is excepted from the first policy": {
			`ingress: [{}]}`,
			`ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.168.0.0/16]}}]}]}`,
			[]string{"192.168.0.0/16 b/lone other "},
		},
		"a port in the middle of a range": {
			`ingress: [{ports: [{port: 30000, endPort: 32767}]}]}`,
			`ingress: [{ports: [{port: 30000, endPort: 31999}, {port: 32001, endPort: 32767}]}]}`,
			[]string{"a/web b/lone tcp/32000 ", "internet b/lone tcp/32000 "},
		},
		"around the block of another policy": {
			besides + `ingress: [{from: [{ipBlock: {cidr: 172.16.0.0/12}}]}]}`,
			besides + `ingress: []}`,
			[]string{"172.17.0.0-172.31.255.255 b/lone other "},
		},
		"within what another policy excepts": {
			besides + `ingress: [{from: [{ipBlock: {cidr: 10.20.0.0/15}}]}]}`,
			besides + `ingress: []}`,
			[]string{"10.20.1.0/24 b/lone other "},
		},
		"between the ports of another policy": {
			besides + `ingress: [{ports: [{port: 7000, endPort: 7002}]}]}`, besides + `ingress: []}`,
			[]string{"a/web b/lone tcp/7001 IPv6", "internet b/lone tcp/7001 "},
		},
		"the address of a node": {
			`egress: [{to: [{ipBlock: {cidr: 10.77.0.11/32}}]}]}`, `egress: []}`,
			[]string{"b/lone 10.77.0.11/32 other "},
		},
		"a port for a namespace with another label": {
			labelled + "\npatch namespace a {metadata: {labels: {team: x}}}", labelled,
			[]string{"a/web b/lone tcp/5432 "},
		},
		"a port of another policy alone": {
			`ingress: [{}]}` + sender, `ingress: []}` + sender,
			[]string{"a/web b/lone tcp/6500 "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			states := make([]*ask.Cluster, 2)
			for i, spec := range []string{c.before, c.after} {
				w, err := scene.Cluster()
				for _, edit := range strings.Split(free+spec, "\n") {
					if err == nil {
						w, err = scene.Edit(w, edit)
					}
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
