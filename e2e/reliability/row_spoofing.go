package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spoofing has pods say what only routers say, take others' addresses, and hide packets in fragments and behind tags.
// What README says is prevented must not arrive; what it says is not is only told.
type spoofing struct {
	open []int // copies of each trick that arrive while nobody filters
}

func (*spoofing) Name() string { return "spoofing" }

func (*spoofing) Plan() plan { return plan{} }

// Rehearse shows which tricks arrive at all.
func (p *spoofing) Rehearse(s *scene) (err error) {
	p.open, err = s.juggle("open")
	return err
}

func (p *spoofing) Inject(s *scene) error {
	var passed, proveNothing []string
	judged := 0
	rounds := s.times(3, 1)
	for round := range rounds {
		arrived, err := s.juggle(fmt.Sprintf("r%d", round))
		if err != nil {
			return err
		}
		for i, t := range tricks() {
			switch {
			case p.open[i] == 0:
				proveNothing = append(proveNothing, t.name)
			case t.refused && arrived[i] > 0:
				s.aside.leak += arrived[i]
				s.fault("%s: %d arrived", t.name, arrived[i])
			case t.refused:
				judged++
			case arrived[i] > 0:
				passed = append(passed, t.name)
			default:
				s.note("does not arrive, though README does not promise it: %s", t.name)
			}
		}
	}
	s.done("%d kinds of packets, %d times each", len(tricks()), rounds*copies)
	s.note("arrive, as README says: %s", distinct(passed))
	s.note("arrive nowhere, with agents or without: %s", distinct(proveNothing))
	if judged == 0 {
		s.fault("nothing was judged")
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

// juggle does all tricks and counts the copies of each that arrive.
func (s *scene) juggle(round string) ([]int, error) {
	arrived := make([]int, len(tricks()))
	for i, t := range tricks() {
		count, err := s.do(t, fmt.Sprintf("%s.%d", round, i))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		arrived[i] = count
	}
	told, err := s.arrivals("web")
	for i, t := range tricks() {
		if t.icmp == nil {
			arrived[i] = told.Flows[fmt.Sprintf("%s.%d", round, i)].Received
		}
	}
	return arrived, err
}

// do sends the copies of a trick; of ICMP it returns how many arrive.
func (s *scene) do(t trick, flow string) (int, error) {
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

// sendUDP sends one copy as frames, with a source port of its own, so that the kernel knows of no connection.
func (s *scene) sendUDP(t trick, flow string, n, family int) error {
	source, port := podOf(t.from).Addrs[family], t.port
	if t.as != nil {
		source = t.as[family]
	}
	if port == 0 {
		port = 80
	}
	from := netip.AddrPortFrom(source, uint16(1024+s.random.IntN(60_000)))
	payload := datagram(from, netip.AddrPortFrom(webAddr(family), uint16(port)), numbered(flow, n<<1|family, true))
	parts := []piece{{0, true, payload}}
	if t.cut != nil {
		parts = t.cut(payload)
	}
	id := uint16(s.random.Uint32())
	for _, p := range parts {
		if err := s.sendFrame(t.from, "web", t.tags, packetOf(source, webAddr(family), unix.IPPROTO_UDP, id, p)); err != nil {
			return err
		}
	}
	return nil
}
