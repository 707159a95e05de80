package sandbox_test

import (
	"net/netip"
	"testing"

	"github.com/picket-project/picket/cmd/sandbox"
)

// quartet is two pods of one namespace and two of another, on two nodes.
const quartet = `a/web n1 app=web http:80/TCP
	a/cli n1 app=cli
	b/cli n1 app=cli
	b/web n2 app=web http:8080/TCP`

// peerScenes go through the numbered items of what a policy means.
func peerScenes() []scene {
	return []scene{
		{name: "policyTypes absent: ingress, and egress where there is a rule", pods: quartet,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, egress: []}`,
				`b/both {podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 80}]}]}`},
			flows: `deny a/cli > a/web TCP 80
				allow a/web > a/cli TCP 81
				deny a/cli > b/web TCP 80
				allow b/web > a/cli TCP 80
				deny b/web > a/cli TCP 81`},
		{name: "what any policy allows is allowed", pods: quartet,
			policies: []string{
				`a/deny {podSelector: {}, ingress: []}`,
				`a/some {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}], ports: [{port: 80}]}]}`,
				`a/more {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 81}]}]}`},
			flows: `allow a/cli > a/web TCP 80
				allow a/cli > a/web TCP 81
				deny a/cli > a/web UDP 81
				deny b/cli > a/web TCP 80
				allow b/cli > a/web TCP 81
				deny a/web > a/cli TCP 80
				deny out > a/web TCP 81`},
		{name: "the forms of a selector", pods: quartet, namespaces: "b team=blue",
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [
					{from: [{podSelector: {}}], ports: [{port: 1}]},
					{from: [{namespaceSelector: {matchLabels: {team: blue}}}], ports: [{port: 2}]},
					{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: cli}}}], ports: [{port: 3}]},
					{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [cli]}]}}], ports: [{port: 4}]},
					{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}], ports: [{port: 5}]},
					{from: [{podSelector: {matchLabels: {app: nobody}}}], ports: [{port: 6}]}]}`},
			flows: `allow a/cli > a/web TCP 1
				deny b/cli > a/web TCP 1
				deny a/cli > a/web TCP 2
				allow b/web > a/web TCP 2
				allow a/cli > a/web TCP 3
				allow b/cli > a/web TCP 3
				deny b/web > a/web TCP 3
				deny a/cli > a/web TCP 4
				allow a/cli > a/web TCP 5
				deny b/cli > a/web TCP 5
				deny a/cli > a/web TCP 6
				deny b/cli > a/web TCP 6
				deny out > a/web TCP 2`},
		{name: "ports, ranges and protocols", pods: quartet,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [
					{from: [{podSelector: {}}], ports: [{port: 80}, {port: 1000, endPort: 2000}, {port: 65535, protocol: UDP}, {port: 1, endPort: 1, protocol: UDP}]},
					{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}], ports: [{protocol: UDP}, {protocol: SCTP}]}]}`},
			flows: `allow a/cli > a/web TCP 80
				deny a/cli > a/web UDP 80
				deny a/cli > a/web TCP 999
				allow a/cli > a/web TCP 1000
				allow a/cli > a/web TCP 2000
				deny a/cli > a/web TCP 2001
				allow a/cli > a/web UDP 65535
				allow a/cli > a/web UDP 1
				deny a/cli > a/web UDP 2
				allow b/web > a/web UDP 1234
				deny b/web > a/web TCP 1234`},
		{name: "a port name on egress without a to is that of every pod", pods: quartet,
			policies: []string{
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`},
			flows: `allow a/cli > a/web TCP 80
				allow a/cli > b/web TCP 8080
				deny a/cli > b/web TCP 80
				deny a/cli > b/cli TCP 80
				deny a/cli > out TCP 80
				deny a/cli > n2 TCP 8080`},
		{name: "a port name on egress with its protocol",
			pods: `a/cli n1 app=cli
				a/one n1 app=dns dns:53/UDP
				a/two n2 app=dns dns:54/TCP
				b/both n2 app=dns dns:55/UDP dns:56/TCP`,
			policies: []string{`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [
				{to: [{podSelector: {matchLabels: {app: dns}}}], ports: [{port: dns, protocol: UDP}]},
				{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: dns}}}], ports: [{port: dns}]}]}`},
			flows: `allow a/cli > a/one UDP 53
				deny a/cli > a/one TCP 53
				deny a/cli > a/two UDP 54
				allow a/cli > a/two TCP 54
				deny a/cli > b/both UDP 55
				allow a/cli > b/both TCP 56
				deny a/cli > b/both TCP 55`},
		{name: "a block means pods and hosts alike", pods: quartet,
			policies: []string{
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.244.1.0/24]}}]}]}`,
				`b/in {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}, {ipBlock: {cidr: "fd77::/16"}}]}]}`},
			flows: `allow a/cli > out@4 TCP 80
				deny a/cli > out@6 TCP 80
				allow a/cli > n3@4 UDP 53
				deny a/cli > a/web TCP 80
				deny a/cli > b/web TCP 80
				allow out > b/cli@4 TCP 80
				deny out > b/cli@6 TCP 80
				allow n2 > b/cli@6 TCP 80
				deny n2 > b/cli@4 TCP 80`},
		{name: "leading zeros in a block are decimal", pods: trio,
			policies: []string{`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [
				{ipBlock: {cidr: 010.0244.02.000/024}}, {ipBlock: {cidr: "0fd00:0010:00244:02::/064"}}]}]}`},
			flows: `allow a/cli > a/far TCP 80
				deny a/cli > a/web TCP 80
				deny a/cli > out TCP 80`},
		{name: "a namespace has no name but its own", pods: quartet,
			namespaces: "b kubernetes.io/metadata.name=c",
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: c}}}]}]}`,
				`a/in2 {podSelector: {matchLabels: {app: cli}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: b}}}]}]}`},
			flows: `deny b/cli > a/web TCP 80
				allow b/cli > a/cli TCP 80
				deny a/web > a/cli TCP 80`},
		{name: "what is wrong matches nothing, the rest of a policy works", pods: quartet,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.244.1.0/33}}, {ipBlock: {cidr: "::ffff:10.244.1.0/120"}}, {}], ports: [{port: 80}]},
					{ports: [{port: 90, endPort: 80}, {port: 81, protocol: ICMP}, {port: 0}, {port: 82}]},
					{from: [{ipBlock: {cidr: 10.244.2.7/24, except: [nonsense]}}, {ipBlock: {cidr: "fd00:10:244:2::7/64"}}], ports: [{port: 83}]}]}`,
				`b/in {podSelector: {matchExpressions: [{key: app, operator: Nope, values: [web]}]}, ingress: [{}]}`},
			flows: `deny a/cli > a/web TCP 80
				deny a/cli > a/web TCP 85
				deny a/cli > a/web TCP 81
				allow a/cli > a/web TCP 82
				deny b/web > a/web@4 TCP 83
				allow b/web > a/web@6 TCP 83
				deny a/cli > b/cli TCP 80
				allow b/cli > a/cli TCP 80`},
	}
}

// A block of ::/0 is all of IPv6: also what is translated, unique-local or multihomed. Pods that
// nobody told the controllers of play the world outside.
func TestAllOfIPv6OnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	for name, addr := range map[string]string{
		"x/translated": "64:ff9b::1", "x/unique-local": "fc00::5",
		"x/unique-local-2": "fdff:ffff::5", "x/low": "100::5", "x/top": "feff::5",
	} {
		r.must(r.AddPod(sandbox.Pod{Name: name, Node: "n3",
			Addrs: []netip.Addr{netip.MustParseAddr(addr)}}))
		for _, proto := range []sandbox.Protocol{sandbox.TCP, sandbox.UDP} {
			r.must(r.Serve(name, proto, 80))
		}
	}
	flows := func(verdict string) string {
		text := ""
		for _, to := range []string{"64:ff9b::1", "fc00::5", "fdff:ffff::5", "100::5", "feff::5"} {
			text += verdict + " a/cli > " + to + " TCP 80\n" + verdict + " a/cli > " + to +
				" UDP 80\n"
		}
		return text
	}
	for _, row := range []struct{ name, block, v6, v4 string }{
		{"all of IPv6", `{cidr: "::/0"}`, "allow", "deny"},
		{"but the halves", `{cidr: "::/0", except: ["::/1", "8000::/1"]}`, "deny", "deny"},
		{"all of IPv4", `{cidr: 0.0.0.0/0}`, "deny", "allow"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.play(t, scene{pods: trio,
				policies: []string{
					`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{ipBlock: ` + row.block + `}]}]}`},
				flows: flows(row.v6) + row.v6 + ` a/cli > a/web@6 TCP 80
					` + row.v6 + ` a/cli > out@6 UDP 80
					` + row.v6 + ` a/cli > n3@6 TCP 80
					` + row.v6 + ` a/cli > a/far@6 UDP 80
					` + row.v4 + ` a/cli > a/web@4 TCP 80
					` + row.v4 + ` a/cli > out@4 TCP 80`})
		})
	}
}
