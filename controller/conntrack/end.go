package conntrack

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// identity is what the kernel knows an entry by: attributes of it as it sent them.
type identity struct {
	family     uint8
	attributes []*nl.RtAttr
}

// identify reads it from an entry.
func identify(family uint8, message []byte) identity {
	e := identity{family: family}
	for kind, value := range attributes(message[header:]) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			copied := nl.NewRtAttr(nl.CTA_TUPLE_ORIG|unix.NLA_F_NESTED, bytes.Clone(value))
			e.attributes = append(e.attributes, copied)
		case nl.CTA_ZONE, nl.CTA_ID:
			e.attributes = append(e.attributes, nl.NewRtAttr(int(kind), bytes.Clone(value)))
		}
	}
	return e
}

// End takes some connections out of the table. A flowtable passes packets on only for a
// connection that is in it. It costs as much as List.
func (t *Table) End(ctx context.Context, list []ruleset.Connection) error {
	wanted := map[ruleset.Connection]bool{}
	for _, c := range list {
		wanted[c] = true
	}
	var found []identity
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := t.each(ctx, family, func(c ruleset.Connection, message []byte) {
			if wanted[c] {
				found = append(found, identify(family, message))
			}
		})
		if err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
	}
	var errs []error
	for _, e := range found {
		if err := t.end(e); err != nil {
			errs = append(errs, fmt.Errorf("end a connection: %w", err))
		}
	}
	return errors.Join(errs...)
}

// end takes one entry out; it may be gone already. Older kernels refuse that while it is in a
// flowtable (EBUSY, some of those before Linux 6.4): there it is made to be over, and the next
// look for it takes it out.
func (t *Table) end(e identity) error {
	err := t.change(nl.IPCTNL_MSG_CT_DELETE, e)
	if errors.Is(err, unix.EBUSY) {
		now := nl.NewRtAttr(nl.CTA_TIMEOUT, make([]byte, 4))
		over := identity{e.family, append(e.attributes[:len(e.attributes):len(e.attributes)], now)}
		if err = t.change(nl.IPCTNL_MSG_CT_NEW, over); err == nil {
			err = t.change(nl.IPCTNL_MSG_CT_DELETE, e)
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func (t *Table) change(what int, e identity) error {
	request := t.request(what, unix.NLM_F_ACK, e.family)
	for _, a := range e.attributes {
		request.AddData(a)
	}
	_, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	return err
}

func (t *Table) request(what, flags int, family uint8) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|what, flags)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: t.entries}
	request.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return request
}
