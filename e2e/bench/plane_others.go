package main

import (
	"fmt"
	"strings"
)

// chained is what an agent makes of the policies that has a chain for each of them and a set for each of its peers, by
// iptables and ipset: the pod's chain asks one after the other until one has marked the packet. It is there some times.
func (l layout) chained(copies int) []ruleLoad {
	sets, rules := &strings.Builder{}, &strings.Builder{}
	fmt.Fprint(rules, "*filter\n:POD - [0:0]\n")
	for i := range l.policies {
		fmt.Fprintf(sets, "create r%d hash:ip\n", i)
		fmt.Fprintf(rules, ":POLICY%d - [0:0]\n", i)
	}
	for i, a := range numbered(l.pods) {
		fmt.Fprintf(sets, "add r%d %s\n", i%l.policies, a)
	}
	if l.policies > 0 {
		fmt.Fprintf(sets, "add r%d %s\n", l.middle(), clientAddr)
	}
	for i := range l.policies {
		for _, proto := range []string{"tcp", "udp"} {
			fmt.Fprintf(rules, "-A POLICY%d -p %s --dport %d -m set --match-set r%d src -j MARK --set-xmark 0x10000/0x10000\n", i, proto, l.port(i), i)
		}
		fmt.Fprintf(rules, "-A POLICY%d -m mark --mark 0x10000/0x10000 -j RETURN\n", i)
		fmt.Fprintf(rules, "-A POD -j POLICY%d\n-A POD -m mark --mark 0x10000/0x10000 -j RETURN\n", i)
	}
	fmt.Fprint(rules, "-A POD -j DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n")
	for range copies {
		fmt.Fprint(rules, "-A FORWARD -j MARK --set-xmark 0x0/0x10000\n")
		if l.policies > 0 {
			fmt.Fprintf(rules, "-A FORWARD -d %s -j POD\n", serverAddr)
		}
	}
	fmt.Fprint(rules, "COMMIT\n")
	return []ruleLoad{{[]string{"ipset", "restore"}, sets.String()}, {[]string{"iptables-legacy-restore"}, rules.String()}}
}
