package why

import (
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// The verdicts of an Answer and of a Half.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Partly  = "partly" // of several pods some are denied
)

// Answer says whether one end reaches the other, and why.
type Answer struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Port       string `json:"port"` // tcp/8080, or icmp
	Verdict    string `json:"verdict"`
	Pairs      int    `json:"pairs"`      // of pods or addresses that were asked about
	Denied     int    `json:"denied"`     // of these pairs
	Audited    int    `json:"audited"`    // allowed pairs that audited policies would deny
	Example    *Pair  `json:"example"`    // the pair that Directions is about; null: they share none
	Directions []Half `json:"directions"` // egress, then ingress
	NoFamily   bool   `json:"noFamily"`   // the ends have no IP family in common
	// Family is the one of the packets that Directions is about, IPv4 or IPv6. OtherFamily is the one
	// over which the example fares better: it is allowed, or no audited policy would deny it.
	Family      string `json:"family,omitempty"`
	OtherFamily string `json:"otherFamily,omitempty"`
	// Kernel is what the nodes do, where their agents were asked.
	Kernel []Kernel     `json:"kernel,omitempty"`
	flow   ruleset.Flow // that Directions is about
}

// Pair is the two ends of one flow, by name.
type Pair struct {
	From string `json:"from"`
	To   string `json:"to"`
	Port string `json:"port"`
}

// Half is one direction of the answer. Reason is one of the Reasons.
type Half struct {
	Direction  string   `json:"direction"` // egress or ingress
	Subject    string   `json:"subject"`
	Node       string   `json:"node,omitempty"`
	Verdict    string   `json:"verdict"`
	Reason     string   `json:"reason"`
	IsolatedBy []string `json:"isolatedBy"` // namespace/name
	Broken     []string `json:"broken"`     // those of IsolatedBy with a part that matches nothing
	Audited    []string `json:"audited"`    // policies that select the subject, and isolate nobody
	WouldDeny  bool     `json:"wouldDeny"`  // it is allowed, and the audited policies would deny it
	AllowedBy  []Origin `json:"allowedBy"`
	Rules      []Rule   `json:"rules"` // of the isolating policies, the nearest first
}

// Origin is a rule by its place.
type Origin struct {
	Policy string `json:"policy"` // namespace/name
	Rule   int    `json:"rule"`   // index in spec.ingress or spec.egress
}

// The reasons of a Half.
const (
	ByRule      = "rule"        // a rule allows it
	NoRule      = "no rule"     // isolated, and no rule allows it
	NotIsolated = "free"        // no policy isolates it in this direction
	AuditOnly   = "audited"     // the same, and audited policies would deny it
	OwnNode     = "own node"    // between a pod and its node everything is allowed
	Itself      = "itself"      // a pod reaches itself
	NoPod       = "no pod"      // the subject is no pod
	HostPod     = "host pod"    // the subject is on its node's network
	Elsewhere   = "not a claim" // another pod has the address
)

// pairing is one pair of ends with the flow that is explained.
type pairing struct {
	from ask.Point
	to   ask.Ask
	flow ruleset.Flow
}

// Explain says whether all of one end reaches all of the other, and explains one pair of them: one
// that is denied, if there is one.
func Explain(c *ask.Cluster, from ask.End, to ask.Target) Answer {
	a := Answer{From: from.Name, To: to.Name, Port: to.Port, Directions: []Half{}}
	var shown *pairing
	for _, p := range pairings(from, to) {
		flows := ask.Flows(p.from.Addrs, p.to.Addrs, p.to.Port)
		a.Pairs++
		// Every family that both ends have must do.
		i := slices.IndexFunc(flows, func(f ruleset.Flow) bool { return !c.Allowed(f) })
		if i >= 0 || len(flows) == 0 {
			a.Denied++
		}
		audited := -1
		if i < 0 {
			audited = slices.IndexFunc(flows, c.Audits)
		}
		if audited >= 0 {
			a.Audited++
		}
		// The first pair is shown, until one would be denied, or one is.
		if len(flows) > 0 && (shown == nil || i >= 0 && a.Denied == 1 ||
			audited >= 0 && a.Denied == 0 && a.Audited == 1) {
			p.flow = flows[max(0, i, audited)]
			shown = &p
		}
	}
	a.NoFamily = shown == nil
	a.Verdict = verdict(a.Denied, a.Pairs)
	if shown != nil {
		a.flow = shown.flow
		a.explain(c, *shown)
	}
	return a
}

// verdict sums up a number of pairs.
func verdict(denied, pairs int) string {
	switch denied {
	case 0:
		return Allowed
	case pairs:
		return Denied
	default:
		return Partly
	}
}

// pairings returns all pairs of two ends. A pod is paired with itself only if there is no other
// pair.
func pairings(from ask.End, to ask.Target) []pairing {
	var all, same []pairing
	for _, f := range from.Points() {
		for _, t := range to.Asks {
			p := pairing{from: f, to: t}
			if f.Pod != nil && t.Pod != nil && f.Pod.Key == t.Pod.Key {
				same = append(same, p)
			} else {
				all = append(all, p)
			}
		}
	}
	// That a pod reaches itself is worth saying only if nothing else was asked.
	if len(all) == 0 {
		return same
	}
	return all
}

// explain adds both directions of one pair.
func (a *Answer) explain(c *ask.Cluster, p pairing) {
	a.Example = &Pair{nameOf(p.from, a.From), nameOf(p.to.Point, a.To), p.to.Port.String()}
	e := explainer{c, p}
	a.Directions = []Half{e.half(ruleset.Egress), e.half(ruleset.Ingress)}
	a.addFamilies(c, p)
}

// addFamilies says of which family the flow of a pair is, and whether the other one fares better.
func (a *Answer) addFamilies(c *ask.Cluster, p pairing) {
	shown := ruleset.FamilyOf(p.flow.From)
	a.Family = shown.String()
	worst := map[ruleset.Family]int{}
	for _, f := range ask.Flows(p.from.Addrs, p.to.Addrs, p.to.Port) {
		family := ruleset.FamilyOf(f.From)
		worst[family] = max(worst[family], severity(c, f))
	}
	for family, is := range worst {
		if is < worst[shown] {
			a.OtherFamily = family.String()
		}
	}
}

// severity orders flows by what becomes of them: 0 is allowed, 1 would be denied, 2 is denied.
func severity(c *ask.Cluster, f ruleset.Flow) int {
	switch {
	case !c.Allowed(f):
		return 2
	case c.Audits(f):
		return 1
	default:
		return 0
	}
}

// nameOf is the name of a pod, or else of the end that it is.
func nameOf(p ask.Point, end string) string {
	if p.Pod != nil {
		return p.Pod.Key.String()
	}
	return end
}

// explainer explains one flow.
type explainer struct {
	cluster *ask.Cluster
	pair    pairing
}

// ends returns the subject and the peer of a direction.
func (e explainer) ends(d ruleset.Direction) (subject, peer ask.Point) {
	if d == ruleset.Ingress {
		return e.pair.to.Point, e.pair.from
	}
	return e.pair.from, e.pair.to.Point
}

// half explains one direction.
func (e explainer) half(d ruleset.Direction) Half {
	subject, _ := e.ends(d)
	decided := e.cluster.Decide(d, e.pair.flow)
	h := Half{
		Direction: d.String(), Subject: nameOf(subject, ""), Node: decided.Node, Verdict: Allowed,
		IsolatedBy: []string{}, Broken: []string{}, Audited: []string{},
		WouldDeny: decided.Decision.Audited, AllowedBy: []Origin{}, Rules: []Rule{},
	}
	if decided.Denied() {
		h.Verdict = Denied
	}
	if subject.Pod != nil {
		e.addPolicies(&h, d)
	}
	// The rules say why; the verdict is the programs' alone.
	h.Reason = reason(subject, decided)
	// What the rules of audited policies match was allowed without them.
	if h.Reason == ByRule && len(h.IsolatedBy) == 0 && len(h.Audited) > 0 {
		h.Reason = NotIsolated
	}
	for _, o := range decided.Decision.Reason {
		// The zero Origin is the pod itself, which no policy allows.
		if h.Reason == ByRule && o.Policy != "" {
			h.AllowedBy = append(h.AllowedBy, Origin{o.Policy, o.Rule})
		}
	}
	return h
}

// addPolicies adds the policies that isolate the subject, and what their rules say of the flow, and
// those that are audited.
func (e explainer) addPolicies(h *Half, d ruleset.Direction) {
	subject, _ := e.ends(d)
	for _, p := range e.cluster.Auditing(*subject.Pod, d) {
		h.Audited = append(h.Audited, p.String())
	}
	for _, p := range e.cluster.Isolating(*subject.Pod, d) {
		h.IsolatedBy = append(h.IsolatedBy, p.String())
		if len(p.Problems) > 0 {
			h.Broken = append(h.Broken, p.String())
		}
		for _, r := range p.Rules[d] {
			h.Rules = append(h.Rules, e.rule(d, p, r))
		}
	}
	// Rules that are equally far stay in the order of their policies.
	slices.SortStableFunc(h.Rules, func(a, b Rule) int { return a.distance - b.distance })
}

// reason says why a direction was decided as it was.
func reason(subject ask.Point, h ask.Half) string {
	d := h.Decision
	switch {
	case subject.Pod == nil:
		return NoPod
	case subject.Pod.Host:
		return HostPod
	case h.Node == "" && len(subject.Pod.Addrs) > 0 && d.Chain == "" && subject.Pod.Node != "":
		return Elsewhere
	case d.Own:
		return OwnNode
	case d.Chain == "" && !h.Denied():
		return NotIsolated
	case d.Audited:
		return AuditOnly
	case h.Denied():
		return NoRule
	case slices.Contains(d.Reason, ruleset.Origin{}):
		return Itself
	default:
		return ByRule
	}
}
