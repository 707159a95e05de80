package sandbox_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
)

// closed is a world in which no pod may speak or be spoken to.
var closed = setting{pods: trio, policies: []string{
	`a/deny {podSelector: {}, policyTypes: [Ingress, Egress]}`},
	flows: `deny a/cli > a/web TCP 80
		deny a/cli > a/web PING
		deny a/cli > a/far UDP 80
		deny a/far > a/cli PING
		deny out > a/web TCP 80`}

// byHand is questions about every pair of source and address of one family, whose answers are the
// caller's to know.
func byHand(allow bool, from, to string, proto corev1.Protocol, port int32,
	addrs ...string) []question {
	var questions []question
	for _, text := range addrs {
		a := netip.MustParseAddr(text)
		questions = append(questions, question{from: from, to: to, allow: allow,
			flow: oracle.Flow{To: a, Protocol: proto, Port: port}})
	}
	return questions
}

// A pod and its own node reach each other, on every address of that node, whatever the policies;
// other nodes have no such right.
func TestOwnNodeOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.play(t, closed)
	r.must(r.InNode("n1", func() error {
		return addLoopback("192.0.2.11/32",
			"2001:db8:1::11/128")
	}))
	own := []string{"10.77.0.11", "fd77::11", "10.244.1.1", "fd00:10:244:1::1"}
	var questions []question
	for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, ""} {
		questions = append(questions, byHand(true, "a/web", hostOf("n1"), proto, 10250, own...)...)
		questions = append(questions, byHand(false, "a/web", hostOf("n2"), proto, 10250,
			"10.77.0.12", "fd77::12", "10.244.2.1", "fd00:10:244:2::1")...)
		questions = append(questions, byHand(true, hostOf("n1"), "a/web", proto, 80, "10.244.1.2",
			"fd00:10:244:1::2")...)
		questions = append(questions, byHand(false, hostOf("n2"), "a/web", proto, 80, "10.244.1.2",
			"fd00:10:244:1::2")...)
	}
	questions = append(questions, byHand(true, "a/web", "", "", 0, "192.0.2.11",
		"2001:db8:1::11")...)
	r.expect(r.told, questions)
}

// addLoopback gives the namespace of the calling thread more addresses.
func addLoopback(prefixes ...string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, text := range prefixes {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(lo, a); err != nil {
			return err
		}
	}
	return nil
}

// A pod reaches itself whatever the policies.
func TestItselfOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.play(t, closed)
	var questions []question
	for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, ""} {
		questions = append(questions, byHand(true, "a/web", "a/web", proto, 80, "10.244.1.2",
			"fd00:10:244:1::2")...)
	}
	r.expect(r.told, questions)
}

// Neighbours on one segment find each other although nothing else is allowed: after everybody has
// forgotten everybody, a first connection that a policy allows is made, over IPv6 as over IPv4.
func TestNeighboursOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.play(t, closed)
	w := changedWorld(t, r.told, func(s *stage) {
		s.policy(
			`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}`)
		s.policy(`a/in {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}`)
	})
	r.become(w)
	for range 3 {
		r.must(errors.Join(r.InPod("a/cli", forgetNeighbours), r.InPod("a/web", forgetNeighbours),
			r.InNode("n1", forgetNeighbours), r.InNode("n2", forgetNeighbours)))
		r.check(w, `allow a/cli > a/web TCP 80
			deny a/cli > a/web UDP 80
			allow a/cli > a/far TCP 80
			deny a/web > a/cli TCP 80`)
	}
}

// forgetNeighbours empties the neighbour table of the calling thread's namespace, but for what is
// fixed.
func forgetNeighbours() error {
	neighbours, err := netlink.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, n := range neighbours {
		if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 {
			continue
		}
		if err := netlink.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// rejected is a world with denials of each kind, on one node and across.
var rejected = setting{pods: trio,
	policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}`,
		`a/far {podSelector: {matchLabels: {app: far}}, policyTypes: [Ingress, Egress]}`},
	flows: `allow a/cli > a/web TCP 80
		deny a/cli > a/web TCP 81
		deny a/cli > a/web UDP 80
		deny a/cli > a/web PING
		deny a/cli > a/far TCP 80
		deny a/cli > a/far UDP 80
		deny a/cli > a/far PING
		deny a/far > a/web TCP 80
		deny a/far > a/web UDP 80
		deny a/far > a/cli PING
		deny a/far > out UDP 53
		deny out > a/web TCP 80
		deny out > a/web UDP 80
		deny out > a/far PING`}

// With --deny reject a denied packet is answered at once: by a TCP reset, else by an ICMP error.
func TestRejectOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{denial: ruleset.Reject})
	r.play(t, rejected)
	var denied []question
	for _, q := range r.read(rejected.flows) {
		if !q.allow {
			denied = append(denied, q)
		}
	}
	began := time.Now()
	for i, got := range r.answers(denied, patience) {
		if got != sandbox.Refused {
			t.Errorf("%s: %s", denied[i], got)
		}
	}
	if took := time.Since(began); took > patience/4 {
		t.Errorf("answers took %v", took)
	}
}
