package sandbox

import (
	"net"
	"net/netip"
	"time"
)

// Limits of these tests are for a machine on which a datagram to itself and back takes 20 µs. On a
// slower or busier one they are as many times longer, so that slow is not wrong; what is broken is
// still found, later. Half a second must stay below the ten after which the kernel gives up on an
// address that does not answer.
const (
	trips    = 1000
	tripTime = 20 * time.Microsecond
	mostPace = 6
)

// pace is how many times slower this machine is, measured when the tests start.
var pace = measurePace()

// Scaled is a limit on this machine, for the tests outside of the package, too.
func Scaled(limit time.Duration) time.Duration { return time.Duration(pace * float64(limit)) }

// measurePace sends datagrams to itself. Where it can't, the machine counts as a usual one.
func measurePace() float64 {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return 1
	}
	defer c.Close()
	self := c.LocalAddr().(*net.UDPAddr).AddrPort()
	began := time.Now()
	_ = c.SetDeadline(began.Add(mostPace * trips * tripTime))
	for range trips {
		if _, err := c.WriteToUDPAddrPort([]byte{1}, self); err != nil {
			break
		}
		if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 1)); err != nil {
			break
		}
	}
	return min(max(1, float64(time.Since(began))/float64(trips*tripTime)), mostPace)
}
