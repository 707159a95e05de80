package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What can be done to an entry of the connection table.
const (
	createEntry = nl.IPCTNL_MSG_CT_NEW
	deleteEntry = nl.IPCTNL_MSG_CT_DELETE
)

// entryStatus is that of a connection which has carried packets both ways: the kernel does not give
// it up for a new one (SEEN_REPLY, ASSURED and CONFIRMED of enum ip_conntrack_status).
const entryStatus = 1<<1 | 1<<2 | 1<<3

// entriesAtOnce go to the kernel in one datagram.
const entriesAtOnce = 100

// changeEntries makes or deletes entries in the connection table of a node, the same ones each
// time.
func (s *testbed) changeEntries(node string, operation, count int) error {
	err := s.InNode(node, func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC,
			unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for n := 0; n < count; n += entriesAtOnce {
			var datagram []byte
			for i := range entriesAtOnce {
				datagram = append(datagram, entryMessage(operation, n+i)...)
			}
			if err := unix.Sendto(fd, datagram, 0,
				&unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("connection table of %s: %w", node, err)
	}
	return nil
}

// entryMessage speaks of the n-th entry. Errors come back in messages that nobody reads: a full
// table is meant to refuse.
func entryMessage(operation, n int) []byte {
	flags := 0
	if operation == createEntry {
		flags = unix.NLM_F_CREATE
	}
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|operation, flags)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
	here, there := []byte{100, 64, byte(n >> 16), byte(n >> 8)}, []byte{100, 127, 0, byte(n)}
	request.AddData(tuple(nl.CTA_TUPLE_ORIG, here, there))
	request.AddData(tuple(nl.CTA_TUPLE_REPLY, there, here))
	request.AddData(nl.NewRtAttr(nl.CTA_STATUS, nl.BEUint32Attr(entryStatus)))
	request.AddData(nl.NewRtAttr(nl.CTA_TIMEOUT, nl.BEUint32Attr(uint32(time.Hour.Seconds()))))
	return request.Serialize()
}

// tuple is one direction of a UDP connection between ports 9.
func tuple(kind int, from, to []byte) *nl.RtAttr {
	whole := nl.NewRtAttr(unix.NLA_F_NESTED|kind, nil)
	ip := whole.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, nil)
	ip.AddRtAttr(nl.CTA_IP_V4_SRC, from)
	ip.AddRtAttr(nl.CTA_IP_V4_DST, to)
	proto := whole.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_PROTO, nil)
	proto.AddRtAttr(nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_UDP})
	port := binary.BigEndian.AppendUint16(nil, 9)
	proto.AddRtAttr(nl.CTA_PROTO_SRC_PORT, port)
	proto.AddRtAttr(nl.CTA_PROTO_DST_PORT, port)
	return whole
}
