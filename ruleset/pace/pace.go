// Package pace scales the limits of tests with the measured speed of the machine, so that slow is
// not wrong; what is broken is still found, later.
//
//	datagrams to itself ──► Speed ──► Limit, Wait
package pace

import (
	"math"
	"net"
	"net/netip"
	"time"
)

// Limits of tests are for a machine on which a datagram to itself and back takes 20 µs.
const (
	trips    = 1000
	tripTime = 20 * time.Microsecond
	// mostSlower bounds Limit: a processor that is translated in software is about ten times
	// slower.
	mostSlower = 20
	// mostWaited bounds Wait. Half a second must stay below the ten after which the kernel gives up
	// on an address that does not answer, and tests that wait for nothing must end.
	mostWaited = 6
)

// Speed is how many times slower than a usual machine this one is, at least 1.
type Speed float64

// Limit is by when something has to have happened that takes less time than that on a usual
// machine. It costs time only where something is broken.
func (s Speed) Limit(usual time.Duration) time.Duration { return s.times(usual, mostSlower) }

// Wait is how long what should not happen is waited for.
func (s Speed) Wait(usual time.Duration) time.Duration { return s.times(usual, mostWaited) }

// times is a time on this machine, which counts as some times slower at most.
func (s Speed) times(usual time.Duration, most Speed) time.Duration {
	return time.Duration(min(s, most) * Speed(usual))
}

// Times is the speed as a whole number, at most that which bounds Limit.
func (s Speed) Times() int { return int(math.Round(float64(min(s, mostSlower)))) }

// Measure sends datagrams to itself. Where it can't, the machine counts as a usual one.
func Measure() Speed {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return 1
	}
	defer c.Close()
	self := c.LocalAddr().(*net.UDPAddr).AddrPort()
	began := time.Now()
	_ = c.SetDeadline(began.Add(mostSlower * trips * tripTime))
	for range trips {
		if _, err := c.WriteToUDPAddrPort([]byte{1}, self); err != nil {
			break
		}
		if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 1)); err != nil {
			break
		}
	}
	return max(1, Speed(time.Since(began))/Speed(trips*tripTime))
}
