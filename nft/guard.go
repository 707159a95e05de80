package nft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Two ways to learn of changes by others where the kernel does not refuse them: the generation
// counter, which every transaction of the network namespace counts up by one, and the
// notifications of what each changed.

// Untouched reports whether surely nobody but this backend has changed any ruleset of the network
// namespace since it last observed.
func (b *Backend) Untouched(context.Context) (bool, error) {
	if b.generation == 0 {
		return false, nil
	}
	conn, err := b.dial()
	if err != nil {
		return false, err
	}
	now, err := conn.GetGen()
	if err != nil {
		return false, errors.Join(fmt.Errorf("generation: %w", err), b.hangUp())
	}
	return now.ID == b.generation, nil
}

// gather is for the rest of a change to arrive.
const gather = 10 * time.Millisecond

// Watch reports when somebody else has changed the table, until ctx ends. It may be called in a
// goroutine of its own, and again after an error, but not twice at a time. Where notifications were
// lost it reports too.
func (b *Backend) Watch(ctx context.Context, changed func()) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: b.options.NetNS})
	if err != nil {
		return fmt.Errorf("watch the table: %w", err)
	}
	defer conn.Close()
	if err := errors.Join(conn.SetReadBuffer(b.watchBuffer),
		conn.JoinGroup(unix.NFNLGRP_NFTABLES)); err != nil {
		return fmt.Errorf("watch the table: %w", err)
	}
	// A deadline that is over ends Receive.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	go nudge(conn, nudgeEvery)
	changed() // nobody told of what came before
	for {
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			// Notifications were lost, perhaps some of others' changes.
		case err != nil:
			return fmt.Errorf("watch the table: %w", err)
		case !b.others(messages):
			continue
		}
		pause(ctx, gather)
		changed()
		pause(ctx, b.watchRest)
	}
}

// pause waits for some time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// others reports whether one of the messages tells of a change to the tables that was not made
// over this backend's socket.
func (b *Backend) others(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.PID != b.port.Load() && isOurTable(m) {
			return true
		}
	}
	return false
}

// isOurTable reads the attribute by which all messages of nf_tables name their table, the first.
// That of a new generation has none.
func isOurTable(m netlink.Message) bool {
	const header = 4 // struct nfgenmsg
	if len(m.Data) < header || uint16(m.Header.Type)&0xff == unix.NFT_MSG_NEWGEN {
		return false
	}
	attributes, err := netlink.NewAttributeDecoder(m.Data[header:])
	if err != nil || m.Data[0] != unix.NFPROTO_INET && m.Data[0] != unix.NFPROTO_BRIDGE {
		return false
	}
	for attributes.Next() {
		if attributes.Type() == unix.NFTA_TABLE_NAME {
			return bytes.Equal(bytes.TrimRight(attributes.Bytes(), "\x00"), []byte(tableName))
		}
	}
	return false
}
