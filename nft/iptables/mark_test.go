package iptables

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// What the node itself sends is not answered to because somebody uses the bit of what is rejected, also
// not while anything is cut.
func TestMarkedPacketsOfTheNodePass(t *testing.T) {
	newNetns(t)
	run(t, "", "ip", "link", "set", "lo", "up")
	b := Open(Options{})
	converge(t, b, sample(ruleset.Reject))
	for _, change := range []ruleset.CutChange{{Add: ruleset.Cuts{Flows: []ruleset.Flow{
		{From: addr("10.0.0.1"), To: addr("10.0.0.2"), Proto: ruleset.TCP, Port: 80}}}},
		{Last: true}} {
		if err := b.Cut(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if err := sendMarked(t.Context()); err != nil {
			t.Errorf("cut %v: %v", change, err)
		}
	}
}

// sendMarked sends a datagram with the bit of rejectMark to a socket of the same namespace.
func sendMarked(ctx context.Context) error {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, 0x200000)
		})
		if failed != nil {
			return failed
		}
		return err
	}}
	client, err := dialer.DialContext(ctx, "udp4", server.LocalAddr().String())
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		return err
	}
	if err := server.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	_, _, err = server.ReadFrom(make([]byte, 1))
	return err
}
