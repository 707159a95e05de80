package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// chained is what an agent makes of the policies that has a chain for each of them and a set for
// each of its peers, by iptables and ipset: the pod's chain asks one after the other until one has
// marked the packet. It is there some times.
func (l layout) chained(copies int) []ruleLoad {
	sets, rules := &strings.Builder{}, &strings.Builder{}
	fmt.Fprint(rules, "*filter\n:POD - [0:0]\n")
	for i := range l.policies {
		fmt.Fprintf(sets, "create r%d hash:ip\n", i)
		fmt.Fprintf(rules, ":POLICY%d - [0:0]\n", i)
	}
	for i, addrs := range l.roles() {
		for _, a := range addrs {
			fmt.Fprintf(sets, "add r%d %s\n", i, a)
		}
	}
	for i := range l.policies {
		for _, proto := range []string{"tcp", "udp"} {
			fmt.Fprintf(rules,
				"-A POLICY%d -p %s --dport %d -m set --match-set r%d src -j MARK "+
					"--set-xmark 0x10000/0x10000\n", i, proto, l.port(i), i)
		}
		fmt.Fprintf(rules, "-A POLICY%d -m mark --mark 0x10000/0x10000 -j RETURN\n", i)
		fmt.Fprintf(rules, "-A POD -j POLICY%d\n-A POD -m mark --mark 0x10000/0x10000 -j RETURN\n",
			i)
	}
	fmt.Fprint(rules,
		"-A POD -j DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n")
	for range copies {
		fmt.Fprint(rules, "-A FORWARD -j MARK --set-xmark 0x0/0x10000\n")
		if l.policies > 0 {
			fmt.Fprintf(rules, "-A FORWARD -d %s -j POD\n", serverAddr)
		}
	}
	fmt.Fprint(rules, "COMMIT\n")
	return []ruleLoad{{[]string{"ipset", "restore"}, sets.String()},
		{[]string{"iptables-legacy-restore"}, rules.String()}}
}

// jumping is the same by nftables: a chain and a set for each policy, to which the pod's chain
// jumps until one accepts the packet. Its tables stand side by side.
func (l layout) jumping(copies int) []ruleLoad {
	var text strings.Builder
	for i := range copies {
		fmt.Fprintf(&text, "table ip jumping%d {\n", i)
		fmt.Fprint(&text, l.jumpingChains())
		fmt.Fprint(&text,
			"chain forward {\ntype filter hook forward priority filter\n"+
				"ct state established,related accept\n")
		if l.policies > 0 {
			fmt.Fprintf(&text, "ip daddr %s jump pod\n", serverAddr)
		}
		fmt.Fprint(&text, "}\n}\n")
	}
	return []ruleLoad{nftLoad(text.String())}
}

func (l layout) jumpingChains() string {
	var chains, pod strings.Builder
	for i, addrs := range l.roles() {
		fmt.Fprintf(&chains, "set r%d {\ntype ipv4_addr\nelements = { %s }\n}\n", i,
			strings.Join(addrs, ", "))
		fmt.Fprintf(&chains,
			"chain policy%d {\nip saddr @r%[1]d tcp dport %d accept\n"+
				"ip saddr @r%[1]d udp dport %[2]d accept\n}\n", i, l.port(i))
		fmt.Fprintf(&pod, "jump policy%d\n", i)
	}
	return chains.String() + "chain pod {\n" + pod.String() + "drop\n}\n"
}

// roles lists the addresses of each policy's peers.
func (l layout) roles() [][]string {
	if l.policies == 0 {
		return nil
	}
	all := make([][]string, l.policies)
	add := func(i int, a netip.Addr) { all[i] = append(all[i], a.String()) }
	for i, a := range numbered(l.pods) {
		add(i%l.policies, a)
	}
	add(l.middle(), clientAddr)
	return all
}
