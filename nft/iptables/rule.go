package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// A rule is a text as iptables-save prints it, without the name of its chain. The functions below
// return pieces of one, in the order in which they have to stand: addresses, link, protocol, the
// other matches, comment, target.

// rule joins pieces; empty ones are left out.
func rule(pieces ...string) string {
	var words []string
	for _, p := range pieces {
		if p != "" {
			words = append(words, p)
		}
	}
	return strings.Join(words, " ")
}

const (
	toReturn = "-j RETURN"
	toDrop   = "-j DROP"
)

// jump is the target of a rule that comes back if the chain returns.
func jump(chain string) string { return "-j " + chain }

// goTo is the target of a rule that does not.
func goTo(chain string) string { return "-g " + chain }

// comment says why a rule is there.
func comment(text string) string {
	if text == "" {
		return ""
	}
	return "-m comment --comment " + quote(clip(text, maxComment))
}

// clip shortens a text to what fits.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}

// quote writes a word as iptables-save does. What would end a line is replaced.
func quote(text string) string {
	plain := true
	clean := strings.Map(func(r rune) rune {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		plain = plain && (letter || r == '_' || r == '-')
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if plain {
		return clean
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`).Replace(clean) + `"`
}

// unquote reads what quote writes.
func unquote(word string) string {
	word = strings.TrimSuffix(strings.TrimPrefix(word, `"`), `"`)
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`).Replace(word)
}

// address compares an address with the first bits of a prefix; a prefix of no bits is every one.
func address(p netip.Prefix, e end) string {
	if p.Bits() == 0 {
		return ""
	}
	return e.option() + " " + p.String()
}

// inSet looks one or more properties of a packet up in a set.
func inSet(set string, properties ...string) string {
	return fmt.Sprintf("-m set --match-set %s %s", set, strings.Join(properties, ","))
}

// notInSet matches what is not in a set.
func notInSet(set string, properties ...string) string {
	return fmt.Sprintf("-m set ! --match-set %s %s", set, strings.Join(properties, ","))
}

// state compares what conntrack says of the packet's connection.
func state(states ...string) string {
	return "-m conntrack --ctstate " + strings.Join(states, ",")
}

// ofType matches a message of a family's ICMP.
func (x facts) ofType(number string) string {
	return rule("-p "+x.icmp, x.icmpMatch+number)
}

// protocol matches a transport protocol.
func protocol(p ruleset.Protocol) string {
	if p == ruleset.AnyProtocol {
		return ""
	}
	if p.HasPorts() {
		return "-p " + p.String()
	}
	return "-p " + strconv.Itoa(int(p))
}

// mostPorts is how many ports a multiport match takes, where a range counts as two
// (XT_MULTI_PORTS).
const mostPorts = 15

// portMatches returns matches for destination ports, one rule each; a single empty one where all
// ports match.
func portMatches(p ruleset.Protocol, ranges []ruleset.PortRange) []string {
	switch {
	case len(ranges) == 0, len(ranges) == 1 && ranges[0] == ruleset.PortRange{Last: 65535}:
		return []string{""}
	case len(ranges) == 1 && p != ruleset.SCTP: // xt_sctp is a module that many kernels lack
		return []string{fmt.Sprintf("-m %s --dport %s", p, portText(ranges[0]))}
	}
	var matches []string
	for _, some := range (ruleset.Form{RulePorts: mostPorts}).Split(ranges) {
		words := make([]string, len(some))
		for i, r := range some {
			words[i] = portText(r)
		}
		matches = append(matches, multiport(words))
	}
	return matches
}

// multiport matches one of several ranges of destination ports.
func multiport(ranges []string) string { return "-m multiport --dports " + strings.Join(ranges, ",") }

// portText is 80 or 8000:8080.
func portText(r ruleset.PortRange) string {
	return strings.Replace(r.String(), "-", ":", 1)
}

// logged sends a sample of the packets to a log group.
func logged(prefix string) string {
	return fmt.Sprintf("-m limit --limit %d/sec --limit-burst %d -j NFLOG --nflog-prefix %s "+
		"--nflog-group %d", logRate, logBurst, quote(prefix), logGroup)
}

// How denied packets are logged: as nft does.
const (
	logGroup = nflog.Group
	logRate  = ruleset.LogRate // a second and chain
	logBurst = ruleset.LogBurst
)

// logPrefix is what a log shows before a packet that a chain denies.
func logPrefix(id ruleset.ChainID) string { return nflog.Prefix + LogName(id) + " " }

// auditPrefix is the same for what an audit lets through.
func auditPrefix(id ruleset.ChainID) string { return nflog.AuditPrefix + LogName(id) + " " }

// nameDigest is how many letters tell apart chains whose names are too long for the log. They hold
// 80 bits: nobody makes a name that passes for a given other one.
const nameDigest = 16

// LogName is what the log calls a chain: by its ID or, where there is no room for that, by its
// beginning and a digest. No ID has a tilde in it.
func LogName(id ruleset.ChainID) string {
	room := maxPrefix - len(nflog.AuditPrefix) - 1
	if len(id) <= room {
		return string(id)
	}
	return string(id[:room-nameDigest-1]) + "~" + ruleset.Digest(string(id))[:nameDigest]
}

// rejectMark is the bit by which filter knows a packet that it is to answer to. Only rules of
// programs that reject use it.
const rejectMark = "0x200000/0x200000"

// marked matches a packet that was denied already, and is to be answered to.
const marked = "-m mark --mark " + rejectMark
