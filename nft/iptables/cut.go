package iptables

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Connections that a change of the program forbids are cut by chains and sets of their own, which
// are there only while there are any, because every packet has to be looked up in them:
//
//	forward, output, before everything else ──► chain picket-cut
//	     in a connection: who opened it to whom, in set cutflows, or a rule of cut-pairs ────► drop
//	     in none: a server's packet from the middle of a connection in cutflows,
//	              or of any, to a client in cuttcp, cutudp, cutsctp ────────────────────────► drop
//
// See package nft for why the last rows are needed.
//
// A set of flows holds the server, its protocol and port, and the client (hash:ip,port,ip). No type
// of set holds two addresses alone on all kernels, so each pair is a rule; only protocols without
// ports come to them.

// cutContent is what is cut.
type cutContent struct {
	flows   map[ruleset.Flow]bool
	clients map[ruleset.Client]bool
	active  bool // the chains and sets are there
}

// newCutContent returns no cuts.
func newCutContent() cutContent {
	return cutContent{flows: map[ruleset.Flow]bool{}, clients: map[ruleset.Client]bool{}}
}

// flowsSet names the set of the flows of a family that are cut.
func flowsSet(f ruleset.Family) string { return fmt.Sprintf("%scutflows%d", ownPrefix, f) }

// clientsSet names the set of the clients of a family and protocol of which all flows are.
func clientsSet(f ruleset.Family, p ruleset.Protocol) string {
	return fmt.Sprintf("%scut%s%d", ownPrefix, p, f)
}

// cutSets returns the sets of a family with their elements.
func (c cutContent) sets(f ruleset.Family) map[string]ipset {
	all := map[string]ipset{}
	if !c.active {
		return all
	}
	flows := ipset{setType{"hash:ip,port,ip", f}, elements{}}
	for flow := range c.flows {
		if ruleset.FamilyOf(flow.From) == f && flow.Proto != ruleset.AnyProtocol {
			flows.elements[flowElement(flow)] = true
		}
	}
	all[flowsSet(f)] = flows
	for _, p := range ruleset.Protocols {
		all[clientsSet(f, p)] = ipset{setType{"hash:ip", f}, elements{}}
	}
	for client := range c.clients {
		if ruleset.FamilyOf(client.Addr) == f {
			all[clientsSet(f, client.Proto)].elements[element(client.Addr.String())] = true
		}
	}
	return all
}

// flowElement is the element for a flow.
func flowElement(f ruleset.Flow) element {
	return element(fmt.Sprintf("%s,%s:%d,%s", f.To, f.Proto, f.Port, f.From))
}

// pairs lists the flows of a family that have no ports, sorted.
func (c cutContent) pairs(f ruleset.Family) []ruleset.Flow {
	var list []ruleset.Flow
	for flow := range c.flows {
		if ruleset.FamilyOf(flow.From) == f && flow.Proto == ruleset.AnyProtocol {
			list = append(list, flow)
		}
	}
	slices.SortFunc(list, ruleset.Flow.Compare)
	return list
}

// cutJump leads to the chain of cuts, where there is one.
func (x *frame) cutJump() []string {
	if !x.content.cuts.active {
		return nil
	}
	return []string{jump(cutChain)}
}

// Directions of a connection, as conntrack has them: of the end that opened it, and of the other.
const (
	opened   = "-m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL"
	answered = "-m conntrack --ctstate ESTABLISHED --ctdir REPLY"
)

// cutChains makes them. A return only hands a packet on to the rest of the rules.
func (x *frame) cutChains() {
	if !x.content.cuts.active {
		return
	}
	set := flowsSet(x.family)
	toServer, fromServer := inSet(set, "dst", "dst", "src"), inSet(set, "src", "src", "dst")
	why, again := comment("no longer allowed"), comment("a server takes up what was cut")
	rules := []string{
		rule(opened, toServer, why, toDrop),
		rule(answered, fromServer, why, toDrop),
		rule(state("ESTABLISHED"), jump(pairsChain)),
		rule(state("RELATED,ESTABLISHED"), comment("as it was"), toReturn),
		rule("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", comment("opens a connection"),
			toReturn),
		rule("-p tcp", fromServer, again, toDrop),
		rule("! -p tcp", fromServer, notInSet(set, "src", "dst", "dst"), again, toDrop),
	}
	for _, p := range ruleset.Protocols {
		rules = append(rules, rule(protocol(p), inSet(clientsSet(x.family, p), "dst"),
			comment("a server takes up what may have been cut"), toDrop))
	}
	x.made[cutChain], x.made[pairsChain] = rules, x.pairRules()
}

// pairRules are for protocols that a NetworkPolicy can't name.
func (x *frame) pairRules() []string {
	var rules []string
	for _, p := range ruleset.Protocols {
		rules = append(rules, rule(protocol(p), toReturn))
	}
	for _, flow := range x.content.cuts.pairs(x.family) {
		client, server := single(flow.From), single(flow.To)
		rules = append(rules,
			rule(address(client, source), address(server, destination), opened, toDrop),
			rule(address(server, source), address(client, destination), answered, toDrop))
	}
	return rules
}

// single is the prefix of one address.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// readCuts reads what the kernel cuts.
func readCuts(k kernel) cutContent {
	c := newCutContent()
	for _, f := range ruleset.Families {
		flows, active := k.sets[flowsSet(f)]
		c.active = c.active || active
		for e := range flows.elements {
			if flow, ok := parseFlow(string(e)); ok {
				c.flows[flow] = true
			}
		}
		for _, p := range ruleset.Protocols {
			for e := range k.sets[clientsSet(f, p)].elements {
				if a, err := netip.ParseAddr(string(e)); err == nil {
					c.clients[ruleset.Client{Addr: a, Proto: p}] = true
				}
			}
		}
		for _, r := range k.tables[f][mainTable].chains[pairsChain] {
			if flow, ok := parsePair(r); ok {
				c.flows[flow] = true
			}
		}
	}
	return c
}

// parseFlow reads an element of a set of flows.
func parseFlow(text string) (f ruleset.Flow, ok bool) {
	at := strings.LastIndexByte(text, ',')
	if at < 0 {
		return f, false
	}
	id := ruleset.SetID{Kind: ruleset.AddressPorts}
	server, ok := memberOf(id, text[:at])
	client, err := netip.ParseAddr(text[at+1:])
	return ruleset.Flow{From: client, To: server.Addr, Proto: server.Proto, Port: server.Port},
		ok && err == nil
}

// parsePair reads the rule for the end that opened a connection.
func parsePair(text string) (f ruleset.Flow, ok bool) {
	words := strings.Fields(text)
	if len(words) < 4 || words[0] != "-s" || words[2] != "-d" || !strings.Contains(text, opened) {
		return f, false
	}
	from, fromErr := parsePrefix(words[1])
	to, toErr := parsePrefix(words[3])
	return ruleset.Flow{From: from.Addr(), To: to.Addr()}, fromErr == nil && toErr == nil
}
