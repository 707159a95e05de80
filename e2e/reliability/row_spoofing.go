package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spoofing has pods say what only routers say, take others' addresses, and hide packets in
// fragments and behind tags. What README says is prevented must not arrive; what it says is not is
// only noted.
type spoofing struct {
	open []int // copies of each packet that arrive while nobody filters
}

func (*spoofing) Name() string { return "spoofing" }

func (*spoofing) Plan() plan { return plan{} }

// CheckUnfiltered shows which packets arrive at all.
func (p *spoofing) CheckUnfiltered(s *testbed) (err error) {
	p.open, err = s.sendSpoofed("open")
	return err
}

func (p *spoofing) Inject(s *testbed) error {
	var passed, proveNothing []string
	checked := 0
	rounds := s.times(3, 1)
	for round := range rounds {
		arrived, err := s.sendSpoofed(fmt.Sprintf("r%d", round))
		if err != nil {
			return err
		}
		for i, t := range spoofedPackets() {
			t.refused = t.refused && !(t.bridge && s.env.backend == iptables)
			switch {
			case p.open[i] == 0:
				proveNothing = append(proveNothing, t.name)
			case t.refused && arrived[i] > 0:
				s.ownLoss.leak += arrived[i]
				s.fault("%s: %d arrived", t.name, arrived[i])
			case t.refused:
				checked++
			case arrived[i] > 0:
				passed = append(passed, t.name)
			default:
				s.note("does not arrive, though README does not promise it: %s", t.name)
			}
		}
	}
	s.done("%d kinds of packets, %d times each", len(spoofedPackets()), rounds*copies)
	s.note("arrive, as README says: %s", distinct(passed))
	s.note("arrive nowhere, with agents or without: %s", distinct(proveNothing))
	if checked == 0 {
		s.fault("nothing was checked")
	}
	return nil
}

func distinct(names []string) string {
	var text []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			text = append(text, name)
		}
		seen[name] = true
	}
	return strings.Join(text, ", ")
}

const (
	copies    = 10 // of each packet in each family
	otherPort = 81 // of servers; nobody may use it
)

// sendSpoofed sends all packets and counts the copies of each that arrive.
func (s *testbed) sendSpoofed(round string) ([]int, error) {
	arrived := make([]int, len(spoofedPackets()))
	for i, t := range spoofedPackets() {
		count, err := s.sendCopies(t, fmt.Sprintf("%s.%d", round, i))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		arrived[i] = count
	}
	told, err := s.arrivals("web")
	for i, t := range spoofedPackets() {
		if t.icmp == nil {
			arrived[i] = told.Flows[fmt.Sprintf("%s.%d", round, i)].Received
		}
	}
	return arrived, err
}

// sendCopies sends the copies of a packet; of ICMP it returns how many arrive.
func (s *testbed) sendCopies(t spoofedPacket, flow string) (int, error) {
	if t.icmp == nil {
		for n := range copies {
			for family := range 2 {
				if err := s.sendUDP(t, flow, n, family); err != nil {
					return 0, err
				}
			}
		}
		s.sleep(20 * time.Millisecond)
		return 0, nil
	}
	ear, err := s.Sniff(podOf("free").Name, t.seen)
	if err != nil {
		return 0, err
	}
	for range copies {
		if err := t.icmp(s); err != nil {
			return 0, err
		}
	}
	s.sleep(100 * time.Millisecond)
	return ear.Count(), ear.Close()
}

// sendUDP sends one copy as frames, with a source port of its own, so that the kernel knows of no
// connection.
func (s *testbed) sendUDP(t spoofedPacket, flow string, n, family int) error {
	source, port := podOf(t.from).Addrs[family], t.port
	if t.as != nil {
		source = t.as[family]
	}
	if port == 0 {
		port = 80
	}
	from := netip.AddrPortFrom(source, uint16(1024+s.random.IntN(60_000)))
	payload := datagram(from, netip.AddrPortFrom(webAddr(family), uint16(port)),
		numbered(flow, n<<1|family, true))
	parts := []fragment{{0, true, payload}}
	if t.cut != nil {
		parts = t.cut(payload)
	}
	header := ipHeader{source, webAddr(family), unix.IPPROTO_UDP, uint16(s.random.Uint32())}
	for _, p := range parts {
		if err := s.sendFrame(t.from, "web", t.tags, header.packet(p)); err != nil {
			return err
		}
	}
	return nil
}
