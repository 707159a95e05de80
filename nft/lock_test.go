package nft

import (
	"errors"
	"runtime"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// withoutCapabilities runs something on a thread that has none, and that ends with it.
func withoutCapabilities(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// A user of the node without capabilities keeps no agent away from a table that has no owner.
func TestLockTakesNetAdmin(t *testing.T) {
	newNetns(t)
	ns := netnsFd(t)
	var sockets []*netlink.Conn
	err := withoutCapabilities(func() error {
		if err := unix.Setns(ns, unix.CLONE_NEWNET); !errors.Is(err, unix.EPERM) {
			return errors.New("there are capabilities left")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []int{unix.NETLINK_USERSOCK, unix.NETLINK_NETFILTER} {
		socket, err := netlink.Dial(protocol, &netlink.Config{NetNS: ns, PID: 0x7069636b})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		sockets = append(sockets, socket)
	}
	if err := withoutCapabilities(func() error {
		return listenTo(sockets[1], lockGroup)
	}); !errors.Is(err, ErrHeld) {
		t.Errorf("somebody without capabilities takes the lock: %v", err)
	}
	b := open(t, Options{NoOwner: true, NetNS: ns})
	converge(t, b, sample(ruleset.Drop))
	if _, err := open(t, Options{NoOwner: true, NetNS: ns}).Observe(t.Context()); !errors.Is(err,
		ErrHeld) {
		t.Errorf("a second agent: %v", err)
	}
}
