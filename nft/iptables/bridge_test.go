package iptables

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

var update = flag.Bool("update", false, "write golden files anew")

// bridgeSample is a segment with a port of each kind.
func bridgeSample() ruleset.Segment {
	return ruleset.Segment{Ports: []ruleset.Port{
		{Link: "veth1", MAC: ruleset.MAC{2, 0, 0, 0, 0, 1}, Bound: true,
			Addrs: []netip.Addr{addr("10.244.1.1"), addr("fd00::1")}},
		{Link: "veth2", MAC: ruleset.MAC{2, 0, 0, 0, 0, 2}, Isolated: true,
			Addrs: []netip.Addr{addr("10.244.1.2"), addr("fd00::2")}},
		{Link: "veth9", MAC: ruleset.MAC{2, 0, 0, 0, 0, 9},
			Addrs: []netip.Addr{addr("10.244.1.9"), addr("fd00::9")}},
		{Link: "vethnew"},
	}, Taken: []ruleset.Range{{First: addr("10.244.0.0"), Last: addr("10.244.255.255")},
		{First: addr("192.168.0.1"), Last: addr("192.168.0.1")},
		{First: addr("fd00::"), Last: addr("fd00::ffff")}}}
}

func layoutText(s ruleset.Segment) (text string) {
	for _, l := range bridgeLayouts(s) {
		text += l.String()
	}
	return text
}

func TestRulesOnBridges(t *testing.T) {
	const golden = "testdata/bridges/sample.txt"
	got := layoutText(bridgeSample())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("%v: other than %s, which -update writes anew:\n%s", err, golden, got)
	}
	// Nothing is made where nothing must hold.
	nobody := ruleset.Segment{Ports: []ruleset.Port{{Link: "vethnew"}}, Routers: []string{"eth0"}}
	for _, s := range []ruleset.Segment{{}, nobody} {
		if text := layoutText(s); text != "" {
			t.Error(text)
		}
	}
}

// testFrame is a frame as ebtables sees it, by options of its program.
type testFrame map[string]string

func newTestFrame(text string) testFrame {
	f, words := testFrame{}, strings.Fields(text)
	for i := 0; i+1 < len(words); i += 2 {
		f[words[i]] = words[i+1]
	}
	return f
}

// verdict is that of the printed rules of a chain; empty: it returns. It shares no code with what
// encodes them.
func (f testFrame) verdict(t *testing.T, text, chain string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		_, rest, is := strings.Cut(line, " -A "+chain+" ")
		if !is || !f.matches(t, strings.Fields(rest)) {
			continue
		}
		switch to := rest[strings.LastIndex(rest, " ")+1 : len(rest)-1]; to {
		case "DROP":
			return to
		case "RETURN":
			return ""
		default:
			if verdict := f.verdict(t, text, to); verdict != "" {
				return verdict
			}
		}
	}
	return ""
}

// matches asks all conditions of a rule.
func (f testFrame) matches(t *testing.T, words []string) bool {
	for i := 0; words[i] != "-j"; i += 2 {
		has, want := f[words[i]], words[i+1]
		same := has == want
		switch words[i] {
		case "-s", "-d":
			same = sameBits(has, want, parseMAC)
		case "--arp-ip-src", "--ip-dst", "--ip6-dst":
			same = sameBits(has, want, parseAddr)
		case "-p", "-i", "-o", "--vlan-id", "--ip6-proto", "--ip6-icmp-type":
		default:
			t.Fatalf("unknown option %s", words[i])
		}
		if !same {
			return false
		}
	}
	return true
}

// sameBits compares what a mask or a length of a prefix leaves of two addresses.
func sameBits(has, want string, parse func(string) []byte) bool {
	first, mask, _ := strings.Cut(want, "/")
	a, b, bits := parse(has), parse(first), parse(mask)
	if p, err := netip.ParsePrefix(want); err == nil {
		bits = net.CIDRMask(p.Bits(), p.Addr().BitLen())
	}
	for i := range b {
		m := byte(255)
		if bits != nil {
			m = bits[i]
		}
		if len(a) != len(b) || a[i]&m != b[i]&m {
			return false
		}
	}
	return true
}

func parseMAC(text string) []byte {
	mac, _ := net.ParseMAC(text)
	return mac
}

func parseAddr(text string) []byte {
	a, _ := netip.ParseAddr(text)
	return a.AsSlice()
}

// bridgeFrames are frames by the chain that they meet. ifClosed: it passes while veth2 is closed, too.
var bridgeFrames = []struct {
	chain, frame     string
	passes, ifClosed bool
}{
	// the MAC address of a sender
	{senderChain, "-i veth1 -s 02:00:00:00:00:01 -p IPv4", true, true},
	{senderChain, "-i veth1 -s 02:00:00:00:00:02 -p IPv4", false, false},
	{senderChain, "-i veth1 -s 02:00:00:00:00:09", false, false},
	{senderChain, "-i veth9 -s 02:00:00:00:00:01", false, false},
	{senderChain, "-i veth1 -s 02:00:00:00:00:ee -p IPv4", true, true},
	{senderChain, "-i vethnew -s 02:00:00:00:00:01", true, true},
	{senderChain, "-i eth0 -s 02:00:00:00:00:01", true, true},
	// tags
	{senderChain, "-i veth1 -s 02:00:00:00:00:01 -p 802_1Q --vlan-id 0", false, false},
	{senderChain, "-i veth1 -s 02:00:00:00:00:01 -p 802_1Q --vlan-id 5", true, true},
	{senderChain, "-i vethnew -p 802_1Q --vlan-id 0", true, true},
	// ARP: a pod's own, another pod's, one of another node, a node's, nobody's
	{senderChain, "-i veth1 -p ARP --arp-ip-src 10.244.1.1", true, true},
	{senderChain, "-i veth1 -p ARP --arp-ip-src 10.244.1.2", false, false},
	{senderChain, "-i veth1 -p ARP --arp-ip-src 10.244.7.7", false, false},
	{senderChain, "-i veth1 -p ARP --arp-ip-src 192.168.0.1", false, false},
	{senderChain, "-i veth1 -p ARP --arp-ip-src 0.0.0.0", true, true},
	{senderChain, "-i veth1 -p ARP --arp-ip-src 198.51.100.7", true, true},
	{senderChain, "-i eth0 -p ARP --arp-ip-src 192.168.0.1", true, true},
	{senderChain, "-i vethnew -p ARP --arp-ip-src 10.244.1.2", true, true},
	// what is no packet, to an isolated pod, from a bound one, and between others
	{receiverChain, "-i veth9 -o veth2 -p IPv4", true, false},
	{receiverChain, "-i veth9 -o veth2", false, false},
	{receiverChain, "-i veth9 -o veth2 -p 802_1Q --vlan-id 5", false, false},
	{receiverChain, "-i veth1 -o veth9", false, false},
	{receiverChain, "-i vethnew -o veth9", true, true},
	{receiverChain, "-i veth2 -o veth9", true, false},
	{receiverChain, "-i veth2 -o veth9 -p ARP", true, true},
	{receiverChain, "-i veth2 -o veth9 -p IPv6 --ip6-proto ipv6-icmp --ip6-icmp-type 135/0:255",
		true, true},
	{receiverChain, "-i veth2 -o veth9 -p IPv6 --ip6-proto ipv6-icmp --ip6-icmp-type 128/0:255",
		true, false},
	// what the node sends
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv4 --ip-dst 10.244.1.1", true, true},
	{outgoingChain, "-o veth9 -d 02:00:00:00:00:09 -p IPv6 --ip6-dst fd00::9", true, true},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv4 --ip-dst 10.244.1.2", false, false},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv6 --ip6-dst fd00::9", false, false},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv6 --ip6-dst fd00::5", false, false},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv4 --ip-dst 192.168.0.1", false, false},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p IPv4 --ip-dst 198.51.100.7", true, true},
	{outgoingChain, "-o vethnew -d 02:00:00:00:00:0a -p IPv4 --ip-dst 10.244.1.44", true, true},
	{outgoingChain, "-o veth1 -d 33:33:ff:00:00:02 -p IPv6 --ip6-dst fd00::2", true, true},
	{outgoingChain, "-o veth1 -d 02:00:00:00:00:01 -p ARP", true, true},
}

func TestFramesOnBridges(t *testing.T) {
	closed := bridgeSample()
	closed.Ports[1].Closed = true
	open, shut := layoutText(bridgeSample()), layoutText(closed)
	for _, l := range bridgeFrames {
		f := newTestFrame(l.frame)
		if passes := f.verdict(t, open, l.chain) == ""; passes != l.passes {
			t.Errorf("%s: %s passes: %t", l.chain, l.frame, passes)
		}
		if passes := f.verdict(t, shut, l.chain) == ""; passes != l.ifClosed {
			t.Errorf("%s: %s passes while a port is closed: %t", l.chain, l.frame, passes)
		}
	}
}

// A crowded node has a few rules for each pod.
func TestRulesOnBridgesAreFew(t *testing.T) {
	s := bridgeSample()
	const pods = 110
	for n := range pods {
		last := byte(n)
		s.Ports = append(s.Ports, ruleset.Port{Link: fmt.Sprint("vethp", n), Bound: true,
			Isolated: true, MAC: ruleset.MAC{2, 0, 0, 0, 1, last},
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, 2, last}),
				netip.AddrFrom16([16]byte{0xfd, 1, 15: last})}})
	}
	if rules := strings.Count(layoutText(s), " -A "); rules > 12*pods {
		t.Errorf("%d rules for %d pods", rules, pods)
	}
}
