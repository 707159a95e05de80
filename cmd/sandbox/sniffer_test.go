package sandbox

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
)

const routerAdvertisement = 134

// isAdvertisement recognises what TestRouterAdvertisement sends.
func isAdvertisement(packet []byte) bool {
	return len(packet) >= 56 && packet[0]>>4 == 6 && packet[7] == 255 &&
		packet[40] == routerAdvertisement && binary.BigEndian.Uint16(packet[46:]) == 1234
}

func TestRouterAdvertisement(t *testing.T) {
	c := newCluster(t, threeNodes())
	start(t, c, podOn("a", 0), podOn("a", 1), podOn("b", 0))
	sniffers := map[string]*Sniffer{}
	for _, at := range []string{"default/a0", "default/a1", "default/b0", "a", "b"} {
		s, err := c.Sniff(at, isAdvertisement)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sniffers[at] = s
	}
	body := make([]byte, 12)
	binary.BigEndian.PutUint16(body[2:], 1234) // router lifetime
	allNodes := netip.MustParseAddr("ff02::1")
	if err := c.SendICMPv6("default/a0", allNodes, routerAdvertisement, body); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the advertisement arrives on its segment", func() bool {
		return sniffers["default/a0"].Count() > 0 && sniffers["default/a1"].Count() == 1 &&
			sniffers["a"].Count() > 0
	})
	// whatever came before has passed
	want(t, c, Open, between(podOn("a", 0), podOn("b", 0), webPort)...)
	if n := sniffers["default/b0"].Count() + sniffers["b"].Count(); n != 0 {
		t.Errorf("%d advertisements on another segment", n)
	}
}

func TestSendICMPv6ToOnePod(t *testing.T) {
	c := newCluster(t, threeNodes())
	from, to := podOn("a", 0), podOn("b", 0)
	start(t, c, from, to)
	const echoRequest, echoReply = 128, 129
	s, err := c.Sniff(from.Name, func(p []byte) bool {
		return p[0]>>4 == 6 && p[6] == 58 &&
			p[40] == echoReply
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendICMPv6(from.Name, to.Addrs[1], echoRequest, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reply", func() bool { return s.Count() == 1 })
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if s.Count() != 1 {
		t.Errorf("count after Close: %d", s.Count())
	}
	if err := c.SendICMPv6(from.Name, to.Addrs[0], echoRequest, nil); err == nil {
		t.Error("ICMPv6 to an IPv4 address: no error")
	}
	if _, err := c.Sniff("x/x", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("sniff where nobody is: %v", err)
	}
}
