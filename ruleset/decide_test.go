package ruleset

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each line is a flow through the kernel of fixture's node and the steps of its decision.
func TestDecide(t *testing.T) {
	const (
		free  = "egress allow: not isolated"
		deny  = "ingress deny: no rule in ingress/default/db-0"
		out   = "; ingress allow: not isolated"
		inAll = "ingress allow: "
	)
	tests := []struct{ flow, want string }{
		// Neither end is a pod of this node.
		{"10.0.1.2 > 10.0.9.9 tcp 80", free + out},
		{"fd00::7 > fd00::8", free + out},
		// By set, protocol and port; the ends of the ranges of ports.
		{"10.0.1.2 > 10.0.0.5 tcp 5432", free + "; " + inAll +
			"default/db ingress[0], default/web ingress[1]"},
		{"10.0.1.3 > 10.0.0.5 tcp 5432", free + "; " + inAll +
			"default/db ingress[0], default/web ingress[1]"},
		{"10.0.1.1 > 10.0.0.5 tcp 5432", free + "; " + deny},
		{"10.0.1.4 > 10.0.0.5 tcp 5432", free + "; " + deny},
		{"10.0.1.2 > 10.0.0.5 tcp 5431", free + "; " + deny},
		{"10.0.1.2 > 10.0.0.5 tcp 5999", free + "; " + deny},
		{"10.0.1.2 > 10.0.0.5 tcp 6000", free + "; " + inAll +
			"default/db ingress[0], default/web ingress[1]"},
		{"10.0.1.2 > 10.0.0.5 tcp 6010", free + "; " + inAll +
			"default/db ingress[0], default/web ingress[1]"},
		{"10.0.1.2 > 10.0.0.5 tcp 6011", free + "; " + deny},
		{"10.0.1.2 > 10.0.0.5 udp 5432", free + "; " + deny},
		{"10.0.1.2 > 10.0.0.5", free + "; " + deny}, // without ports: ICMP
		// By address, protocol and port.
		{"10.0.1.2 > 10.0.0.5 tcp 9100", free + "; " + inAll + "default/db ingress[1]"},
		{"10.0.1.2 > 10.0.0.5 udp 9100", free + "; " + inAll + "default/db ingress[1]"},
		{"10.0.1.2 > 10.0.0.5 sctp 9100", free + "; " + deny},
		{"10.0.1.3 > 10.0.0.5 tcp 9100", free + "; " + deny},
		// By ranges: their borders and the ends of the address space.
		{"0.0.0.0 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"0.255.255.255 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"1.0.0.0 > 10.0.0.5 sctp 1", free + "; " + deny},
		{"172.15.255.255 > 10.0.0.5 sctp 1", free + "; " + deny},
		{"172.16.0.0 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"172.16.0.9 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"172.16.0.10 > 10.0.0.5 sctp 1", free + "; " + deny},
		{"172.16.0.11 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"172.16.0.12 > 10.0.0.5 sctp 1", free + "; " + deny},
		{"255.255.255.254 > 10.0.0.5 sctp 1", free + "; " + deny},
		{"255.255.255.255 > 10.0.0.5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"255.255.255.255 > 10.0.0.5 tcp 1", free + "; " + deny},
		{":: > fd00::5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"::1:0 > fd00::5 sctp 1", free + "; " + deny},
		{"2001:db8::ffff > fd00::5 sctp 1", free + "; " + inAll + "default/db ingress[2]"},
		{"2001:db8::1:0 > fd00::5 sctp 1", free + "; " + deny},
		// By prefix.
		{"198.51.100.255 > 10.0.0.5 udp 1", free + "; " + inAll + "default/db ingress[3]"},
		{"198.51.101.0 > 10.0.0.5 udp 1", free + "; " + deny},
		// Between a pod and itself: its egress must consent as well.
		{"10.0.0.5 > 10.0.0.5 tcp 1", "egress deny: no rule in egress/default/db-0"},
		{"10.0.0.5 > 10.0.0.5 udp 53", "egress allow: default/dns egress[0]; " + inAll + "itself"},
		// Out of the pod.
		{"10.0.0.5 > 10.0.1.2 udp 53", "egress allow: default/dns egress[0]" + out},
		{"fd00::5 > fd00::9 udp 53", "egress allow: default/dns egress[0]" + out},
		{"10.0.0.5 > 10.0.1.2 tcp 53", "egress deny: no rule in egress/default/db-0"},
		{"fd00::5 > fd00::9", "egress deny: no rule in egress/default/db-0"},
		// Between the pod and its own node.
		{"192.168.0.1 > 10.0.0.5 tcp 1", free + "; ingress allow: the pod's own node"},
		{"10.0.0.5 > 192.168.0.1 tcp 1", "egress allow: the pod's own node" + out},
		{"fd00::1 > fd00::5", free + "; ingress allow: the pod's own node"},
		{"192.168.0.2 > 10.0.0.5 tcp 1", free + "; " + deny},
	}
	for _, test := range tests {
		t.Run(test.flow, func(t *testing.T) {
			wantTrace(t, fixture(), parseFlow(test.flow), test.want)
		})
	}
}

func wantTrace(t *testing.T, p *Program, f Flow, want string) {
	verdict, trace := p.Decide(f)
	texts := make([]string, len(trace))
	for i, decision := range trace {
		texts[i] = decision.String()
	}
	if got := strings.Join(texts, "; "); got != want {
		t.Errorf("%s\n got %s\nwant %s", f, got, want)
	}
	if denied := strings.Contains(want, "deny"); denied != (verdict == Denied) {
		t.Errorf("%s: verdict %s after %s", f, verdict, want)
	}
}

// parseFlow reads Flow.String.
func parseFlow(s string) Flow {
	words := strings.Fields(s)
	f := Flow{From: addr(words[0]), To: addr(words[2])}
	if len(words) > 3 {
		f.Proto, _ = ParseProtocol(words[3])
		port, _ := strconv.ParseUint(words[4], 10, 16)
		f.Port = uint16(port)
	}
	return f
}

func TestFlowText(t *testing.T) {
	for _, text := range []string{"10.0.0.1 > 10.0.0.2", "fd00::1 > fd00::2 udp 53",
		"10.0.0.1 > 10.0.0.2 sctp 65535"} {
		if got := parseFlow(text).String(); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
}

// What is missing denies: a chain that is not there has no rules, a set that is not there no
// members.
func TestDecideFailsClosed(t *testing.T) {
	p := fixture()
	p.Sets = nil
	wantTrace(t, p, parseFlow("10.0.1.2 > 10.0.0.5 tcp 5432"),
		"egress allow: not isolated; ingress deny: no rule in ingress/default/db-0")
	p.Chains = nil
	wantTrace(t, p, parseFlow("10.0.0.5 > 10.0.0.9 udp 53"),
		"egress deny: no rule in egress/default/db-0")
	wantTrace(t, &Program{}, parseFlow("10.0.0.5 > 10.0.0.9 udp 53"),
		"egress allow: not isolated; ingress allow: not isolated")
}

// What no rule allows is looked up by its port, and what this leads to asks for the peer alone.
func TestDecideByPort(t *testing.T) {
	p := fixture()
	db := slices.IndexFunc(p.Chains, func(c Chain) bool { return c.ID == "ingress/default/db-0" })
	friends := Chain{ID: NewPeersID(Ingress, "friends"), Direction: Ingress,
		Steps: Steps{Rule{Peer: InSet(web)}}, End: EndGoBack}
	byPort := Lookup{PortsOf(p.Chains[db].ID)}
	p.Chains[db].Steps = append(Steps{byPort}, p.Chains[db].Steps...)
	p.Chains = append(p.Chains, friends)
	p.Sets = append(p.Sets, Set{ID: PortsOf(p.Chains[db].ID), Members: []Member{
		{Proto: TCP, Port: 7000, Chain: friends.ID,
			Reason: "default/a ingress[0,2-3], default/b ingress[12]"},
		{Proto: UDP, Port: 7000, Chain: "peers/gone"},
	}})
	p.Sort()
	for flow, want := range map[string]string{
		"10.0.1.2 > 10.0.0.5 tcp 7000": "ingress allow: default/a ingress[0,2-3], default/b ingress[12]",
		"10.0.1.2 > 10.0.0.5 tcp 5432": "ingress allow: default/db ingress[0], default/web ingress[1]",
		"10.0.1.1 > 10.0.0.5 tcp 7000": "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.2 > 10.0.0.5 tcp 7001": "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.2 > 10.0.0.5 udp 7000": "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.2 > 10.0.0.5":          "ingress deny: no rule in ingress/default/db-0",
	} {
		wantTrace(t, p, parseFlow(flow), "egress allow: not isolated; "+want)
	}
	db = slices.IndexFunc(p.Chains, func(c Chain) bool { return c.ID == "ingress/default/db-0" })
	p.Chains[db].Steps = p.Chains[db].Steps[1:]
	wantTrace(t, p, parseFlow("10.0.1.2 > 10.0.0.5 tcp 7000"),
		"egress allow: not isolated; ingress deny: no rule in ingress/default/db-0")
}

// Ranges of ports are looked up by one map a protocol, after single ports.
func TestDecideByRange(t *testing.T) {
	p := fixture()
	db := slices.IndexFunc(p.Chains, func(c Chain) bool { return c.ID == "ingress/default/db-0" })
	friends := Chain{ID: NewPeersID(Ingress, "friends"), Direction: Ingress,
		Steps: Steps{Rule{Peer: InSet(web)}}, End: EndGoBack}
	anyone := Chain{ID: NewPeersID(Ingress, "anyone"), Direction: Ingress, Steps: Steps{Rule{}},
		End: EndGoBack}
	tcp, udp := SpansID(TCP, "x"), SpansID(UDP, "x")
	p.Chains[db].Steps = append(p.Chains[db].Steps, Lookup{tcp}, Lookup{udp})
	p.Chains = append(p.Chains, friends, anyone)
	p.Sets = append(p.Sets,
		Set{ID: tcp, Members: []Member{
			{Proto: TCP, Port: 7000, LastPort: 7099, Chain: friends.ID, Reason: "a/p ingress[1]"},
			{Proto: TCP, Port: 7100, LastPort: 65535, Chain: anyone.ID,
				Reason: "a/p ingress[2]"}}},
		Set{ID: udp, Members: []Member{{Proto: UDP, Port: 5, LastPort: 5, Chain: anyone.ID,
			Reason: "a/p ingress[3]"}}})
	p.Sort()
	for flow, want := range map[string]string{
		"10.0.1.2 > 10.0.0.5 tcp 7000":  "ingress allow: a/p ingress[1]",
		"10.0.1.2 > 10.0.0.5 tcp 7099":  "ingress allow: a/p ingress[1]",
		"10.0.1.1 > 10.0.0.5 tcp 7099":  "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.1 > 10.0.0.5 tcp 7100":  "ingress allow: a/p ingress[2]",
		"10.0.1.1 > 10.0.0.5 tcp 65535": "ingress allow: a/p ingress[2]",
		"10.0.1.1 > 10.0.0.5 udp 7100":  "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.1 > 10.0.0.5 udp 5":     "ingress allow: a/p ingress[3]",
		"10.0.1.1 > 10.0.0.5 udp 6":     "ingress deny: no rule in ingress/default/db-0",
		"10.0.1.1 > 10.0.0.5":           "ingress deny: no rule in ingress/default/db-0",
	} {
		wantTrace(t, p, parseFlow(flow), "egress allow: not isolated; "+want)
	}
}

func TestZeroVerdictDenies(t *testing.T) {
	if v := Verdict(0); v != Denied || v.String() != "deny" || Allowed.String() != "allow" {
		t.Error(v, Allowed)
	}
}
