package iptables

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// readTable reads what iptables-save prints of one table: our chains, and all rules of the other chains
// in which any rule leads to them.
func readTable(text string) table {
	t := table{chains{}, chains{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, is := strings.CutPrefix(line, ":"); is {
			if name, _, _ := strings.Cut(head, " "); isOurs(name) {
				t.chains[name] = nil
			}
			continue
		}
		rest, is := strings.CutPrefix(line, "-A ")
		if !is {
			continue
		}
		name, r, _ := strings.Cut(rest, " ")
		r = canonicalRule(r)
		if isOurs(name) {
			t.chains[name] = append(t.chains[name], r)
		} else {
			t.bases[name] = append(t.bases[name], r)
		}
	}
	for base, rules := range t.bases {
		if !slices.ContainsFunc(rules, leadsToOurs) {
			delete(t.bases, base)
		}
	}
	return t
}

// protocolNumbers is for names that iptables-save takes from /etc/protocols where there is one.
var protocolNumbers = map[string]string{
	"ipencap": "4", "ipv4": "4", "ipv6": "41", "gre": "47", "icmpv6": "ipv6-icmp",
}

// canonicalRule writes the addresses of a rule as netip does, and protocols without ports as
// numbers: how they are printed is up to libraries and files of the node.
func canonicalRule(text string) string {
	// The match physdev prints a blank too many.
	words := strings.Split(strings.ReplaceAll(text, "-m physdev  --", "-m physdev --"), " ")
	for i := 0; i+1 < len(words) && words[i] != "-m" && words[i] != "-j" && words[i] != "-g"; i++ {
		switch words[i] {
		case "-s", "-d":
			words[i+1] = canonicalAddress(words[i+1])
		case "-p":
			if number, named := protocolNumbers[words[i+1]]; named {
				words[i+1] = number
			}
		}
	}
	return strings.Join(words, " ")
}

// canonicalAddress writes an address with a prefix length or a mask.
func canonicalAddress(text string) string {
	first, rest, _ := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(first)
	if err != nil {
		return text
	}
	// A mask is printed as it was written, so it may be no length of a prefix.
	if mask, err := netip.ParseAddr(rest); err == nil {
		rest = mask.String()
	}
	return addr.String() + "/" + rest
}

// readSets reads what ipset save prints.
func readSets(text string) map[string]ipset {
	sets := map[string]ipset{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		// Others' sets are none of our business.
		if len(words) < 3 || !isOurs(words[1]) {
			continue
		}
		switch words[0] {
		case "create":
			sets[words[1]] = ipset{readType(words), elements{}}
		case "add":
			sets[words[1]].elements[canonical(words[2:])] = true
		}
	}
	return sets
}

// readType reads the line by which a set would be made again.
func readType(words []string) setType {
	t := setType{kind: words[2]}
	// The family is the only property that matters; sizes grow by themselves.
	at := slices.Index(words, "family")
	for f, x := range families {
		if at > 0 && at+1 < len(words) && words[at+1] == x.set {
			t.family = f
		}
	}
	return t
}

// commentOf reads the comment of a rule that has nothing else.
func commentOf(rule string) (string, bool) {
	text, is := strings.CutPrefix(rule, "-m comment --comment ")
	if !is || strings.Contains(text, " -j ") || strings.Contains(text, " -g ") {
		return "", false
	}
	return unquote(text), true
}

// partOf reads which chain of the program a chain of the kernel is a part of.
func partOf(rules []string) (ruleset.ChainID, bool) {
	if len(rules) == 0 {
		return "", false
	}
	text, is := commentOf(rules[0])
	id, _, _ := strings.Cut(text, " part ")
	return ruleset.ChainID(id), is && id != ""
}

// parts groups the chains of pods by the chain of the program that they are parts of.
func parts(all chains) map[ruleset.ChainID]chains {
	groups := map[ruleset.ChainID]chains{}
	for name, rules := range all {
		id, is := partOf(rules)
		// The base chains are made anew, and the rest is read from what they lead to.
		if !strings.HasPrefix(name, madePrefix) || !is {
			continue
		}
		if groups[id] == nil {
			groups[id] = chains{}
		}
		groups[id][name] = rules
	}
	return groups
}

// found reads a kernel as the content that it stands for. Chains are kept as they are.
func found(k kernel) *content {
	c := newContent()
	c.found, c.cuts, c.fence = map[string]setCopy{}, readCuts(k), readFence(k)
	for _, f := range ruleset.Families {
		main := k.tables[f][mainTable].chains
		c.readLinks(main)
		c.readTunnels(main)
		c.readListing(main[setsChain], k.sets)
		for id, group := range parts(main) {
			if c.kept[id] == nil {
				c.kept[id] = map[ruleset.Family]chains{}
			}
			c.kept[id][f] = group
		}
		for _, d := range ruleset.Directions {
			c.readDispatch(main, d)
		}
		known := setName(ruleset.KnownPods(f), accepting, "")
		c.strict = c.strict || slices.Contains(lookedUp(main[forwardChain]), known)
	}
	return c
}

// readLinks reads the interfaces that pods are behind.
func (c *content) readLinks(main chains) {
	for _, r := range main[fromPodsChain] {
		if words := strings.Fields(r); len(words) == 4 && words[0] == "-i" {
			c.links[words[1]] = true
		}
	}
}

// readTunnels reads where nodes unpack tunnels.
func (c *content) readTunnels(main chains) {
	for _, r := range main[inputChain] {
		words := strings.Fields(r)
		at := slices.Index(words, "--dport")
		if at < 0 || at+1 >= len(words) || words[0] != "-p" {
			continue
		}
		id := ruleset.SetID{Kind: ruleset.AddressPorts}
		m, ok := memberOf(id, "0.0.0.0,"+words[1]+":"+words[at+1])
		if m.Addr = (netip.Addr{}); ok {
			c.tunnels[m] = true
		}
	}
}

// readListing reads which sets there are, and takes the members of a set from one of its copies. What
// is written otherwise there, or is no member, differs from that.
func (c *content) readListing(rules []string, sets map[string]ipset) {
	for _, r := range rules {
		names := lookedUp([]string{r})
		_, text, is := strings.Cut(r, " -m comment --comment ")
		of, what, known := parseCopy(unquote(text))
		if !is || !known || len(names) != 1 || of.id.Kind == ruleset.ProtoPorts {
			continue
		}
		c.found[names[0]] = of
		if s, there := c.sets[of.id]; !there || len(s.elements) == 0 {
			c.sets[of.id] = setContent{what, asWritten(of.id, sets[names[0]].elements)}
		}
	}
}

// readDispatch reads where subjects are led to from the chains of the tree.
func (c *content) readDispatch(main chains, d ruleset.Direction) {
	for name, rules := range main {
		if !isBranch(d, name) {
			continue
		}
		for _, r := range rules {
			words := strings.Fields(r)
			at := slices.Index(words, "--comment")
			if len(words) < 2 || at < 0 || at+1 >= len(words) {
				continue
			}
			p, err := parsePrefix(words[1])
			if err == nil && p.IsSingleIP() {
				s := ruleset.Subject{Direction: d, Addr: p.Addr()}
				c.dispatch[s] = ruleset.ChainID(unquote(words[at+1]))
			}
		}
	}
}

// observed says what the kernel holds, in terms of a program. Of chains whose rules alone are known
// the digest is empty, so that they are asked for anew.
func (c *content) observed() ruleset.Observed {
	o := ruleset.Observed{
		Condition: ruleset.Damaged, Strict: c.strict, Sets: map[ruleset.SetID][]ruleset.Member{},
		Chains: map[ruleset.ChainID]string{}, Dispatch: c.dispatch,
	}
	for link := range c.links {
		o.Links = append(o.Links, link)
	}
	slices.Sort(o.Links)
	for id, s := range c.sets {
		o.Sets[id] = membersOf(id, s.elements)
	}
	o.Sets[ruleset.TunnelPorts()] = c.sortedTunnels()
	for id := range c.kept {
		o.Chains[id] = ""
	}
	for id, chain := range c.chains {
		o.Chains[id] = chain.Digest()
	}
	return o
}
