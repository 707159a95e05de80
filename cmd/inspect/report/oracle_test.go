package report

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/why"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

const worlds = 200

// protocols are the oracle's names of protocols.
var protocols = map[ruleset.Protocol]corev1.Protocol{ruleset.TCP: corev1.ProtocolTCP,
	ruleset.UDP: corev1.ProtocolUDP, ruleset.SCTP: corev1.ProtocolSCTP}

// verdict is what is said of all flows between two units: by direction whether they are allowed, and
// whether audited policies would deny one of them.
type verdict struct{ allowed, audited [2]bool }

// opinion is the oracle's verdict.
func opinion(w *oracle.World, flows []ruleset.Flow) (v verdict) {
	v.allowed = [2]bool{len(flows) > 0, len(flows) > 0}
	for _, f := range flows {
		asked := oracle.Flow{From: f.From, To: f.To, Protocol: protocols[f.Proto], Port: int32(f.Port)}
		for d, says := range [2]struct{ allowed, audited func(oracle.Flow) bool }{
			ruleset.Ingress: {w.IngressAllowed, w.IngressAudited},
			ruleset.Egress:  {w.EgressAllowed, w.EgressAudited},
		} {
			v.allowed[d] = v.allowed[d] && says.allowed(asked)
			v.audited[d] = v.audited[d] || says.audited(asked)
		}
	}
	for d, all := range v.allowed {
		v.audited[d] = v.audited[d] && all
	}
	return v
}

// row decodes one of a page's rows, as its script does.
func row(t *testing.T, d Data, i int) bits {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(d.Rows[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the page holds of every pod and every port is what the oracle says.
func TestPageIsTheOracles(t *testing.T) {
	cells, denied, audited := 0, 0, 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 31))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0})
		c := ask.New(policy.Objects(*w), nil)
		b := newBuilder(Input{Cluster: c})
		d, err := b.build("")
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range d.Groups {
			for j, to := range d.Targets {
				var got verdict
				got.allowed[ruleset.Egress] = row(t, d, g.Out).has(j)
				got.allowed[ruleset.Ingress] = row(t, d, to.In).has(i)
				got.audited[ruleset.Egress] = row(t, d, g.OutAudited).has(j)
				got.audited[ruleset.Ingress] = row(t, d, to.InAudited).has(i)
				for _, flows := range b.everyPair(i, j) {
					cells++
					want := opinion(w, flows)
					if want.allowed != [2]bool{true, true} {
						denied++
					} else if want.audited != [2]bool{} {
						audited++
					}
					if got != want {
						t.Fatalf("world %d: %v to %v %s: %v, the oracle says %v", seed, g.Pods,
							d.Groups[to.Group].Pods, to.Port, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d cells, %d denied, %d audited", cells, denied, audited)
	if denied < cells/10 || audited < cells/50 {
		t.Error("too few cells are denied or audited to tell anything")
	}
}

// everyPair returns the flows of each pair of pods of a unit and a goal.
func (b *builder) everyPair(from, to int) [][]ruleset.Flow {
	g := b.goals[to]
	var all [][]ruleset.Flow
	for _, x := range b.units[from].each() {
		for _, y := range b.units[g.unit].each() {
			// What a pod sends to itself is no matter of policies.
			if len(x.pods) > 0 && len(y.pods) > 0 && x.pods[0].Key == y.pods[0].Key {
				continue
			}
			all = append(all, ask.Flows(x.addrs, y.addrs, g.port))
		}
	}
	return all
}

// each splits a unit into its pods.
func (u unit) each() []unit {
	if len(u.pods) == 0 {
		return []unit{u}
	}
	var all []unit
	for _, p := range u.pods {
		all = append(all, unit{[]ask.Pod{p}, p.Addrs})
	}
	return all
}

// What explains a verdict in the page is what why says: policies that isolate, and whom rules match.
func TestExplanationsAreThoseOfWhy(t *testing.T) {
	rules := 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 32))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0, Pods: 5})
		c := ask.New(policy.Objects(*w), nil)
		b := newBuilder(Input{Cluster: c})
		d, err := b.build("")
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.Groups {
			for j, to := range d.Targets {
				if i == to.Group {
					continue
				}
				x, y := b.units[i].end(), b.units[to.Group].end()
				target := ask.Target{End: y, Port: to.Port,
					Asks: []ask.Ask{{Point: y.Points()[0], Port: b.goals[j].port}}}
				a := why.Explain(c, x, target)
				for _, h := range a.Directions {
					own, peer := i, to.Group
					if h.Direction == ruleset.Ingress.String() {
						own, peer = to.Group, i
					}
					checkPolicies(t, d, own, h)
					for _, rule := range h.Rules {
						rules++
						b.checkRule(t, d, h.Direction, match{rule, peer, j})
					}
				}
			}
		}
	}
	if t.Logf("%d rules", rules); rules < worlds {
		t.Error("too few rules to tell anything")
	}
}

// end is a unit as a question names it.
func (u unit) end() ask.End {
	if len(u.pods) == 0 {
		return ask.End{Name: ask.Internet, Outside: true, Addrs: u.addrs}
	}
	return ask.End{Name: u.pods[0].Key.String(), Pods: u.pods[:1]}
}

// checkPolicies wants the policies that isolate a group.
func checkPolicies(t *testing.T, d Data, own int, h why.Half) {
	t.Helper()
	by := d.Groups[own].By[h.Direction]
	if len(by) != len(h.IsolatedBy) {
		t.Fatalf("%s of %v: %v, why says %v", h.Direction, d.Groups[own].Pods, by, h.IsolatedBy)
	}
	for i, p := range by {
		if d.Policies[p].Name != h.IsolatedBy[i] {
			t.Fatalf("%s is not %s", d.Policies[p].Name, h.IsolatedBy[i])
		}
	}
}

// match is what why says of a rule, of a group and a target.
type match struct {
	rule         why.Rule
	peer, target int
}

// checkRule wants that the rows of the page say the same of a rule's selectors and ports.
func (b *builder) checkRule(t *testing.T, d Data, direction string, m match) {
	t.Helper()
	found := false
	for _, r := range d.Rules {
		if d.Policies[r.Policy].Name != m.rule.Policy || r.Index != m.rule.Rule {
			continue
		}
		found = found || b.fits(t, d, r, m) && inDirection(d, r, direction)
	}
	if !found {
		t.Fatalf("%s %s[%d]: the page says otherwise than %+v", m.rule.Policy, direction,
			m.rule.Rule, m.rule)
	}
}

// inDirection reports whether it is a rule of a direction.
func inDirection(d Data, r Rule, direction string) bool {
	for _, at := range d.Policies[r.Policy].Rules[direction] {
		if d.Rules[at].Index == r.Index {
			return true
		}
	}
	return false
}

// fits reports whether the rows of a rule say the same as why.
func (b *builder) fits(t *testing.T, d Data, r Rule, m match) bool {
	t.Helper()
	selected := r.Any
	for _, s := range r.Peers {
		all := len(b.units[m.peer].pods) > 0
		for _, n := range d.Selectors[s].Needs {
			all = all && row(t, d, d.Needs[n].Met).has(m.peer)
		}
		selected = selected || all
	}
	inBlock := row(t, d, r.In[0]).has(m.peer) || row(t, d, r.In[1]).has(m.peer)
	// A pod of two families can be in a block by the one that was not asked about.
	peerSame := selected == m.rule.Peer.Fits || inBlock
	ports := d.Ports[r.Ports]
	portSame := row(t, d, ports.Met).has(m.target) == m.rule.Port.Fits ||
		inBlock && row(t, d, ports.ByNumber).has(m.target) == m.rule.Port.Fits
	return peerSame && portSame
}
