package nft

import (
	"errors"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// interrupted reads from a socket as the library does it when the first system calls are
// interrupted: it waits for the socket after each, though there is something to read.
func interrupted(c *netlink.Conn, calls int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		if calls--; calls >= 0 {
			return false
		}
		_, _, failed = unix.Recvfrom(int(fd), make([]byte, 32<<10), 0)
		return failed != unix.EAGAIN
	})
	return errors.Join(err, failed)
}

// An answer that waits is read, however often its reader was interrupted. Two wake-ups come by
// themselves at most: that of its arrival, and one that was on its way before.
func TestInterruptedReadGoesOn(t *testing.T) {
	newNetns(t)
	b := openDialled(t)
	if err := b.socket.SetDeadline(time.Now().Add(speed.Limit(10 * time.Second))); err != nil {
		t.Fatal(err)
	}
	go nudge(b.socket, time.Millisecond)
	for range 10 {
		if _, err := b.socket.Send(getGeneration()); err != nil {
			t.Fatal(err)
		}
		if err := interrupted(b.socket, 5); err != nil {
			t.Fatal(err)
		}
	}
}

// Every socket that is opened is nudged.
func TestSocketsAreNudged(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	b.nudged = time.Millisecond
	if err := b.hangUp(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.dial(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.socket.Send(getGeneration()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.socket.SetDeadline(time.Now().Add(speed.Limit(10*time.Second))),
		interrupted(b.socket, 5)); err != nil {
		t.Fatal(err)
	}
}

// It ends with the socket.
func TestNudgesEnd(t *testing.T) {
	newNetns(t)
	b := openDialled(t)
	ended := make(chan bool)
	go func() {
		nudge(b.socket, time.Millisecond)
		close(ended)
	}()
	if err := b.hangUp(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(speed.Limit(10 * time.Second)):
		t.Error("it goes on")
	}
}

// A nudge, be they ever so many, does an exchange no harm.
func TestNudgesDoNotDisturb(t *testing.T) {
	newNetns(t)
	b := openDialled(t)
	go nudge(b.socket, time.Microsecond)
	converge(t, b, manyMembers(2000))
	converge(t, b, &ruleset.Program{})
}

// openDialled opens a backend whose socket is there already.
func openDialled(t *testing.T) *Backend {
	t.Helper()
	b := open(t, Options{NoOwner: true})
	if _, err := b.dial(); err != nil {
		t.Fatal(err)
	}
	return b
}
