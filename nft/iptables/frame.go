package iptables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// The tables of iptables in which there is anything of ours.
const (
	mainTable   = "mangle"
	answerTable = "filter" // the only one with the target REJECT
)

// tables lists both.
var tables = [...]string{mainTable, answerTable}

// layout is all rules of one family: the chains of each table, and the rules that lead to them from
// chains of the kernel.
type layout struct {
	tables map[string]chains
	hooks  map[string][]hook
	copies map[string]setCopy // the sets of the program that the rules look up, by name
}

// hook is a rule in a chain of the kernel that leads to one of ours, as its first.
type hook struct {
	base string // FORWARD
	rule string
}

// frame makes the chains of one family that are there whatever the program is.
type frame struct {
	*renderer
	facts
	rejects bool
	link    string // the only interface that pods are behind; empty: there are several, or none
}

// render makes all rules of one family. It fails where two names collide.
func render(c *content, f ruleset.Family) (layout, error) {
	r := &renderer{family: f, content: c, made: chains{}, copies: map[string]setCopy{}}
	x := &frame{r, families[f], c.rejects(), c.onlyLink()}
	x.base()
	for _, d := range ruleset.Directions {
		maps.Copy(r.made, tree(d, f, c.subjects(d, f)))
	}
	x.pods()
	r.made[setsChain] = x.listing()
	l := layout{map[string]chains{mainTable: r.made, answerTable: {}},
		map[string][]hook{mainTable: x.hooks()}, r.copies}
	if x.rejects {
		l.tables[answerTable], l.hooks[answerTable] = x.answers()
	}
	return l, r.clash
}

// pods makes the chains of all pods, and lets those stay of which only the rules are known.
func (x *frame) pods() {
	for _, c := range x.content.chains {
		if c.Subject != "" {
			x.pod(c)
		}
	}
	for _, kept := range x.content.kept {
		x.keep(kept[x.family])
	}
	for _, id := range x.content.dispatch {
		if _, made := x.made[partChain(id, 0)]; !made {
			c := x.content.chains[id]
			c.ID = id // a chain that nobody knows denies
			x.pod(c)
		}
	}
}

// keep lets chains stay as they are, with the sets that they look up.
func (x *frame) keep(kept chains) {
	for name, rules := range kept {
		x.made[name] = rules
		for _, set := range lookedUp(rules) {
			if of, known := x.content.found[set]; known {
				x.copies[set] = of
			}
		}
	}
}

// lookedUp returns the names of the sets that rules look up.
func lookedUp(rules []string) (names []string) {
	for _, r := range rules {
		parts := strings.Split(r, "--match-set ")
		for _, part := range parts[1:] {
			name, _, _ := strings.Cut(part, " ")
			names = append(names, name)
		}
	}
	return names
}

// base makes the chains that packets meet first.
func (x *frame) base() {
	own := rule("-m addrtype --src-type LOCAL", toReturn)
	cut := x.cutJump()
	x.made[forwardChain] = slices.Concat(cut, x.unmarked(), x.neighbours(), x.fenceForward(),
		x.known(), x.forwarded(), x.decided())
	if len(cut) > 0 {
		cut = append([]string{own}, cut...)
	}
	x.made[outputChain] = slices.Concat(x.unmarked(), cut, x.known(), []string{own},
		x.tunnels("-m addrtype --dst-type LOCAL", toDrop),
		x.tunnels(x.toNode(), toDrop),
		[]string{rule("-m addrtype --dst-type LOCAL", toReturn)}, x.strangers(), x.decided())
	x.made[inputChain] = slices.Concat(x.routers(), x.tunnels("", jump(fromPodsChain)),
		x.fenceInput())
	x.made[arrivalChain] = append([]string{x.dispatch(ruleset.Ingress)},
		x.tunnels(x.toNode(), jump(fromPodsChain))...)
	x.made[fromPodsChain] = x.fromPods()
	if x.early() {
		x.made[earlyChain] = x.onArrival()
	}
	if x.rejects {
		x.made[rejectChain] = []string{"-j MARK --set-xmark " + rejectMark}
		x.made[lateChain] = []string{rule(marked, toDrop)}
	}
	x.cutChains()
	x.fenceChains()
}

// unmarked clears the bit of what is rejected: nobody has rejected the packet yet.
func (x *frame) unmarked() []string {
	if !x.rejects {
		return nil
	}
	return []string{"-j MARK --set-xmark 0x0/" + strings.Split(rejectMark, "/")[1]}
}

// neighbours lets neighbour discovery pass, which comes from and goes to addresses of nobody as well.
func (x *frame) neighbours() (rules []string) {
	if x.family != ruleset.IPv6 {
		return nil
	}
	for _, t := range neighbourTypes {
		rules = append(rules, rule(x.ofType(t), "-m hl --hl-eq 255",
			comment("neighbours find each other"), toReturn))
	}
	return rules
}

// known lets pass what belongs to connections that were allowed.
func (x *frame) known() []string {
	related := state("RELATED")
	rules := []string{
		rule(state("ESTABLISHED"), comment("replies of what was allowed"), toReturn)}
	if x.family == ruleset.IPv4 {
		rules = append(rules,
			rule(x.ofType(redirect), related, comment("a redirect is no error"), toDrop))
	}
	rules = append(rules,
		rule("-p "+x.icmp, related, comment("errors about what was allowed"), toReturn),
		rule("-p tcp -m tcp --tcp-flags RST RST", related,
			comment("the answer to what was rejected"), toReturn))
	return rules
}

// forwarded is what a new packet meets that goes through this node, before any pod's chain.
func (x *frame) forwarded() []string {
	rules := x.routers()
	if x.family == ruleset.IPv6 {
		for _, e := range []end{source, destination} {
			rules = append(rules, rule(e.option(), "fe80::/10",
				comment("a link-local address is no pod's"), jump(fromPodsChain)))
		}
	}
	return slices.Concat(rules, x.ownLink(), x.fenceClosed(), x.strangers())
}

// routers asks whether a pod has sent what only a router may say (CVE-2020-10749).
func (x *frame) routers() []string {
	var rules []string
	for _, t := range x.router {
		rules = append(rules, rule(x.ofType(t), comment("a pod is no router"), jump(fromPodsChain)))
	}
	return rules
}

// fromPods drops what came in by an interface that pods are behind.
func (x *frame) fromPods() []string {
	rules := x.fromRouters()
	for _, link := range slices.Sorted(maps.Keys(x.content.links)) {
		rules = append(rules, rule("-i "+link, toDrop))
	}
	return rules
}

// frameSet returns the name of a set that the base chains look up, and notes it.
func (x *frame) frameSet(id ruleset.SetID) string {
	r, _ := frameRole(id)
	return x.copy(id, r)
}

// ownLink drops what says that it is from a pod of this node, and did not come in by the pod's
// interface.
func (x *frame) ownLink() []string {
	const why = "a pod of this node sends by its own link only"
	bound := inSet(x.frameSet(ruleset.Bound(x.family)), source.word())
	behind := notInSet(x.frameSet(ruleset.Behind(x.family)), source.word(), "src")
	if x.link != "" {
		return []string{rule("! -i "+x.link, bound, comment(why), toDrop)}
	}
	return []string{rule(bound, behind, comment(why), toDrop)}
}

// early reports whether sources are looked at in prerouting: where pods have links of their own,
// what comes in by one must have a source that is reached by it. On a bridge nothing of it can be
// told by the interface.
func (x *frame) early() bool { return x.link == "" && len(x.content.links) > 0 }

// onArrival drops what came in by a pod's link and has a source that nobody has there. It is asked
// before destinations are translated, so an address of the node can be a pod's behind a NodePort; who
// has no source of its own yet speaks to the node with it.
func (x *frame) onArrival() []string {
	rules := []string{
		rule(state("RELATED,ESTABLISHED"), comment("forward decides"), toReturn),
		rule(inSet(x.frameSet(ruleset.Behind(x.family)), source.word(), "src"), toReturn),
		rule("-m rpfilter", toReturn),
		rule("-m addrtype --dst-type "+x.toMany, toReturn),
	}
	for _, from := range unbound[x.family] {
		rules = append(rules, rule("-s "+from, "-m addrtype --dst-type LOCAL", toReturn))
	}
	return append(rules, rule(comment("nobody with this source is there"), jump(fromPodsChain)))
}

// strangers drops what is sent by or to an address of this node's pod range that no known pod has.
func (x *frame) strangers() []string {
	if !x.content.strict {
		return nil
	}
	var rules []string
	for _, e := range []end{source, destination} {
		rules = append(rules, rule(inSet(x.frameSet(ruleset.LocalRange(x.family)), e.word()),
			notInSet(x.frameSet(ruleset.KnownPods(x.family)), e.word()),
			comment("no pod that is known yet"), toDrop))
	}
	return rules
}

// decided is what every packet meets at the end: the chains of its two subjects.
func (x *frame) decided() []string {
	rules := []string{x.dispatch(ruleset.Egress)}
	if x.rejects {
		rules = append(rules, rule(marked, toReturn))
	}
	return append(rules, goTo(arrivalChain))
}

// dispatch sends the packets of subjects to find their chain.
func (x *frame) dispatch(d ruleset.Direction) string {
	return rule(inSet(subjectsSet(d, x.family), subjectEnd(d).word()), jump(rootChain(d)))
}

// toNode matches packets to an address by which pods reach a node.
func (x *frame) toNode() string {
	return inSet(x.frameSet(ruleset.NodeAddrs(x.family)), destination.word())
}

// tunnels matches what a node would unpack, and another match.
func (x *frame) tunnels(match, target string) []string {
	why := comment("a node would unpack it")
	var rules []string
	for _, t := range x.content.sortedTunnels() {
		rules = append(rules, rule(fmt.Sprintf("-p %s -m %s --dport %d", t.Proto, t.Proto, t.Port),
			match, why, target))
	}
	for _, p := range tunnelProtocols {
		rules = append(rules, rule("-p "+p, match, why, target))
	}
	return rules
}

// listing names each set, and what it is for, in a rule that no packet meets. It holds those that no
// other rule looks up.
func (x *frame) listing() []string {
	var rules []string
	held := map[ruleset.SetID]bool{}
	for name, c := range x.copies {
		held[c.id] = true
		rules = append(rules, x.held(name, c))
	}
	for id := range x.content.sets {
		if r, _ := frameRole(id); id.Family == x.family && !held[id] {
			rules = append(rules, x.held(x.copy(id, r), setCopy{id, r}))
		}
	}
	slices.Sort(rules)
	return rules
}

// held is the rule that names a copy of a set.
func (x *frame) held(name string, c setCopy) string {
	text := c.String()
	if what := x.content.sets[c.id].comment; what != "" {
		text += " " + what
	}
	return rule(inSet(name, source.word()), comment(text))
}

// hooks lead packets to the chains of mainTable.
func (x *frame) hooks() []hook {
	list := []hook{{"FORWARD", jump(forwardChain)}, {"OUTPUT", jump(outputChain)},
		{"INPUT", jump(inputChain)}}
	if x.early() {
		list = append(list, hook{"PREROUTING", jump(earlyChain)})
	}
	if x.rejects {
		list = append(list, hook{"POSTROUTING", jump(lateChain)})
	}
	return list
}

// answers makes the chains that answer to what was denied. A reset would come from an address that
// the client does not know, where the destination was translated; what the node sends for somebody
// else gets none.
func (x *frame) answers() (chains, []hook) {
	prohibited := "-j REJECT --reject-with " + x.prohibited
	return chains{
			rejectChain: {rule(state("DNAT"), prohibited),
				"-p tcp -j REJECT --reject-with tcp-reset", prohibited},
			answerChain: {prohibited},
		}, []hook{{"FORWARD", rule(marked, jump(rejectChain))},
			{"OUTPUT", rule(marked, jump(answerChain))}}
}
