package main

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/e2e/listing"
)

// flushMangle takes all rules out of the table mangle, also those of others.
const flushMangle = "iptables-legacy -t mangle -F"

// commands are one change, for a shell, of what legacy iptables and ipset hold. They are empty
// where there is nothing to be changed that way.
func (m mutator) commands() string {
	switch m.random.IntN(12) {
	case 0:
		return m.legacyRule("-D", "")
	case 1:
		return m.legacyRule("-R", "-j RETURN")
	case 2:
		return m.legacyRule("-I", "-j RETURN")
	case 3:
		return m.legacyChain("-A", "-j DROP")
	case 4, 5:
		return m.legacyChain("-F", "")
	case 6, 7:
		return m.legacyElement()
	case 8:
		return m.of("set", "ipset flush %s")
	case 9:
		return m.of("set", "ipset destroy %s") // of those that no rule uses
	case 10:
		return fmt.Sprintf("ipset add picket-egress4 10.244.9.%d", m.random.IntN(256))
	default:
		return wholeLegacy[m.random.IntN(len(wholeLegacy))]
	}
}

// wholeLegacy is what needs no choice of an object.
var wholeLegacy = []string{
	flushMangle,
	"ip6tables-legacy -t mangle -D FORWARD -j picket-forward",
	"iptables-legacy -t mangle -D FORWARD -j picket-forward",
	"iptables-legacy -t mangle -N picket-mine",
	"ipset create picket-mine hash:ip",
}

// legacyChange is a change of a chain that is named as listing names it: by the words of the
// program and the table before its own name.
func legacyChange(chain, verb, rest string) string {
	at := strings.LastIndexByte(chain, ' ')
	return strings.TrimSpace(chain[:at] + " " + verb + chain[at:] + " " + rest)
}

func (m mutator) legacyRule(verb, rest string) string {
	if r, is := m.pick("rule"); is {
		return legacyChange(r.Name, verb, r.Handle+" "+rest)
	}
	return ""
}

func (m mutator) legacyChain(verb, rest string) string {
	if c, is := m.pick("chain"); is {
		return legacyChange(c.Name, verb, rest)
	}
	return ""
}

// legacyElement deletes an element of a set.
func (m mutator) legacyElement() string {
	set, _ := m.pick("set")
	if len(set.Elements) == 0 {
		return ""
	}
	one := listing.Key(set.Elements[m.random.IntN(len(set.Elements))])
	return fmt.Sprintf("ipset del %s %s", set.Name, one)
}
