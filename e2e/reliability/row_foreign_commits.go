package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// foreignCommitters commit to nftables, as somebody else would: on every node a table comes and
// goes. Other tables stay.
type foreignCommitters struct {
	testbed *testbed
	others  []*foreignTables // by node
	cancel  context.CancelFunc
	ended   chan committed
	began   time.Time
}

// committed is what was done on one node.
type committed struct {
	count int
	err   error
}

// commitEverywhere begins to commit, on all nodes.
func (s *testbed) commitEverywhere() (*foreignCommitters, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	c := &foreignCommitters{testbed: s, cancel: cancel, ended: make(chan committed),
		began: time.Now()}
	for _, a := range s.agents {
		f, err := s.addForeignTables(a.node)
		if err != nil {
			cancel()
			return nil, err
		}
		c.others = append(c.others, f)
	}
	for _, f := range c.others {
		go func() { c.ended <- s.commitOften(ctx, f.node) }()
	}
	return c, nil
}

// stop ends that and looks after the tables that were to stay.
func (c *foreignCommitters) stop() error {
	c.cancel()
	took := time.Since(c.began)
	sum := 0
	var errs []error
	for _, f := range c.others {
		one := <-c.ended
		sum += one.count
		errs = append(errs, one.err, f.check("commits of others"))
	}
	rate := float64(sum) / took.Seconds() / float64(len(c.others))
	c.testbed.done("%d commits of others, %.0f a second on each node", sum, rate)
	return errors.Join(errs...)
}

// commitOften adds a table to a node's and deletes it again, until ctx ends.
func (s *testbed) commitOften(ctx context.Context, node string) (done committed) {
	done.err = s.InNode(node, func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC,
			unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		tick := time.NewTicker(foreignPause)
		defer tick.Stop()
		for kind := unix.NFT_MSG_NEWTABLE; ; kind = unix.NFT_MSG_NEWTABLE +
			unix.NFT_MSG_DELTABLE - kind {
			if err := commit(fd, kind); err != nil {
				return fmt.Errorf("somebody else's commit on %s: %w", node, err)
			}
			done.count++
			if kind == unix.NFT_MSG_DELTABLE && ctx.Err() != nil {
				return nil
			}
			<-tick.C
		}
	})
	return done
}

// commit adds or deletes a table, as a batch of its own, and waits for the answer.
func commit(fd, kind int) error {
	batch := append(batchEnd(unix.NFNL_MSG_BATCH_BEGIN), tableMessage(kind)...)
	batch = append(batch, batchEnd(unix.NFNL_MSG_BATCH_END)...)
	if err := unix.Sendto(fd, batch, 0,
		&unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	switch {
	case err != nil:
		return err
	case n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR:
		return errors.New("no answer to it")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// batchEnd is one of the two messages that a batch stands between.
func batchEnd(kind int) []byte {
	request := nl.NewNetlinkRequest(kind, 0)
	request.AddData(&nl.Nfgenmsg{Version: nl.NFNETLINK_V0,
		ResId: nl.Swap16(unix.NFNL_SUBSYS_NFTABLES)})
	return request.Serialize()
}

// tableMessage asks for the table to be added or deleted, and for an answer.
func tableMessage(kind int) []byte {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_ACK)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_INET, Version: nl.NFNETLINK_V0})
	request.AddData(nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated("somebody")))
	return request.Serialize()
}
