package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// forged has pods send from what is not theirs, over and over: from addresses that are nobody's, by
// one that may send nothing, and from the MAC address or with the address of a neighbour, to have
// what is for that. Of these, iptables can only tell the first.
type forged struct{}

func (forged) Name() string { return "forged" }

func (forged) Plan() plan { return plan{} }

// CheckUnfiltered shows that it has an effect while nobody filters. It leaves ARP out, whose effect
// would last.
func (forged) CheckUnfiltered(s *testbed) error {
	f, err := s.newForger("from nobody, open")
	if err != nil {
		return err
	}
	steals := s.env.backend == nftables
	if steals {
		f.frames = f.frames[:len(f.frames)-1]
	}
	for range 20 {
		if err := f.once(); err != nil {
			return err
		}
		if err := s.sendFrame("near", "web", 0,
			udpTo(podOf("near").Addrs[four], webAddr(four), "")); err != nil {
			return err
		}
	}
	s.sleep(50 * time.Millisecond)
	if f.nobody.Count() == 0 || steals && f.stolen.Count() == 0 {
		s.fault("while nobody filters %d packets from nobody arrive, and %d are stolen",
			f.nobody.Count(), f.stolen.Count())
	}
	// What the bridge has learnt of web's MAC address is forgotten when web sends.
	return errors.Join(s.sendFrame("web", "near", 0,
		udpTo(webAddr(four), podOf("near").Addrs[four], "")), f.close())
}

func (forged) Inject(s *testbed) error {
	f, err := s.newForger("from nobody, closed")
	if err != nil {
		return err
	}
	rounds := s.times(2000, 200)
	for range rounds {
		if err := f.once(); err != nil {
			return err
		}
		s.sleep(5 * time.Millisecond)
	}
	s.sleep(50 * time.Millisecond)
	s.done("%d times each of %d", rounds, len(f.frames))
	if nobody, stolen := f.nobody.Count(), f.stolen.Count(); nobody+stolen > 0 {
		s.ownLoss.leak += nobody + stolen
		s.fault("%d packets from nobody arrive, and %d are stolen", nobody, stolen)
	}
	return f.close()
}

// forger sends the frames. What is for web must not reach alien.
type forger struct {
	testbed        *testbed
	frames         []forgedFrame
	nobody, stolen *sandbox.Sniffer
}

// forgedFrame is a frame that a pod sends.
type forgedFrame struct {
	podName string
	sandbox.Frame
}

func (s *testbed) newForger(mark string) (f *forger, err error) {
	f = &forger{testbed: s}
	web, err := s.nextHop("near", "web")
	if err != nil {
		return nil, err
	}
	ways := []func(net.HardwareAddr, string) error{f.addNobody, f.addMAC, f.addARP}
	if s.env.backend == iptables {
		ways = ways[:1]
	}
	for _, add := range ways {
		if err := add(web, mark); err != nil {
			return nil, err
		}
	}
	if f.nobody, err = s.Sniff(podOf("free").Name,
		func(p []byte) bool { return bytes.Contains(p, []byte(mark)) }); err != nil {
		return nil, err
	}
	// Alien's own kernel asks for its neighbour web, from a link-local address.
	alien, err := s.heldAddrs("alien")
	if err != nil {
		return nil, err
	}
	f.stolen, err = s.Sniff(podOf("alien").Name,
		func(p []byte) bool { return isForWeb(p, alien) })
	return f, err
}

// heldAddrs returns the addresses that a test pod's interface has, link-local ones included.
func (s *testbed) heldAddrs(podName string) (addrs []netip.Addr, err error) {
	err = s.InPod(podOf(podName).Name, func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		held, err := link.Addrs()
		for _, a := range held {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				return err
			}
			addrs = append(addrs, prefix.Addr())
		}
		return err
	})
	return addrs, err
}

// isForWeb recognises a packet to web that is not from one of alien's addresses.
func isForWeb(p []byte, alien []netip.Addr) bool {
	var from, to netip.Addr
	switch {
	case len(p) > 20 && p[0]>>4 == 4:
		from, to = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	case len(p) > 40 && p[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	}
	return slices.Contains(podOf("web").Addrs, to) && !slices.Contains(alien, from)
}

// addNobody has caged, which may send nothing, send from addresses that nobody has.
func (f *forger) addNobody(_ net.HardwareAddr, mark string) error {
	gateway, err := f.testbed.nextHop("caged", "free")
	for family, nobody := range []netip.Addr{netip.MustParseAddr("198.51.100.7"),
		netip.MustParseAddr("2001:db8:7::7")} {
		f.frames = append(f.frames,
			forgedFrame{"caged",
				sandbox.Frame{To: gateway, Packet: udpTo(nobody, freeAddr(family), mark)}})
	}
	return err
}

// addMAC has alien send from web's MAC address under its own address.
func (f *forger) addMAC(web net.HardwareAddr, _ string) error {
	free, err := f.testbed.nextHop("near", "free")
	for family, own := range podOf("alien").Addrs {
		f.frames = append(f.frames,
			forgedFrame{"alien",
				sandbox.Frame{To: free, From: web, Packet: udpTo(own, freeAddr(family), "")}})
	}
	return err
}

// addARP has alien say that it has web's address (RFC 826).
func (f *forger) addARP(net.HardwareAddr, string) error {
	own, err := f.testbed.macOf("alien")
	address := webAddr(four).AsSlice()
	packet := slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, 2}, own, address, own, address)
	f.frames = append(f.frames,
		forgedFrame{"alien", sandbox.Frame{Kind: unix.ETH_P_ARP, Packet: packet}})
	return err
}

func udpTo(from, to netip.Addr, data string) []byte {
	payload := datagram(netip.AddrPortFrom(from, 5000), netip.AddrPortFrom(to, 9), []byte(data))
	return ipHeader{from, to, unix.IPPROTO_UDP, 1}.packet(fragment{0, true, payload})
}

// macOf is the hardware address of a test pod, which others on its node send to.
func (s *testbed) macOf(podName string) (net.HardwareAddr,
	error) {
	return s.nextHop(podName, podName)
}

// once sends each frame.
func (f *forger) once() error {
	for _, frame := range f.frames {
		if err := f.testbed.InPod(podOf(frame.podName).Name,
			func() error { return frame.Send("eth0") }); err != nil {
			return fmt.Errorf("forge: %w", err)
		}
	}
	return nil
}

func (f *forger) close() error { return errors.Join(f.nobody.Close(), f.stolen.Close()) }
