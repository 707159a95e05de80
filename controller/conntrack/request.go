package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Attributes of a filter (enum ctattr_type, enum ctattr_filter, Linux 5.8, older than all that are
// supported: a kernel that does not know them would list everything).
const (
	ctaFilter           = 25
	ctaFilterOrigFlags  = 1
	ctaFilterReplyFlags = 2
	filterSource        = 1 << 0 // CTA_FILTER_FLAG(CTA_IP_SRC)
)

// filter is what the kernel is asked for: entries of a family, or fewer.
type filter struct {
	family     uint8
	attributes []*nl.RtAttr
}

// wholeTable asks for all entries.
func wholeTable() []*filter { return []*filter{{family: unix.AF_INET}, {family: unix.AF_INET6}} }

// withSource asks for the entries whose original or reply direction has its source at an address.
func withSource(source netip.Addr) []*filter {
	var list []*filter
	for _, tuple := range []int{nl.CTA_TUPLE_ORIG, nl.CTA_TUPLE_REPLY} {
		list = append(list, sourceFilter(tuple, source))
	}
	return list
}

// sourceFilter has the kernel list entries of one source only (CTA_FILTER_ORIG_FLAGS and its like,
// Linux 5.8).
func sourceFilter(tuple int, source netip.Addr) *filter {
	kind, flags, family := nl.CTA_IP_V4_SRC, ctaFilterOrigFlags, uint8(unix.AF_INET)
	if source.Is6() {
		kind, family = nl.CTA_IP_V6_SRC, unix.AF_INET6
	}
	if tuple == nl.CTA_TUPLE_REPLY {
		flags = ctaFilterReplyFlags
	}
	ends := nl.NewRtAttr(tuple|unix.NLA_F_NESTED, nil)
	ends.AddRtAttr(nl.CTA_TUPLE_IP|unix.NLA_F_NESTED, nil).AddRtAttr(kind, source.AsSlice())
	which := nl.NewRtAttr(ctaFilter|unix.NLA_F_NESTED, nil)
	which.AddRtAttr(flags, binary.NativeEndian.AppendUint32(nil, filterSource))
	return &filter{family, []*nl.RtAttr{ends, which}}
}

// each calls do for every entry that a filter finds.
func (a *asker) each(ctx context.Context, f *filter, do func(entry)) error {
	request := a.request(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, f.family, a.entries)
	for _, attribute := range f.attributes {
		request.AddData(attribute)
	}
	err := request.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if e, ok := parse(message); ok {
			do(e)
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// end takes an entry out of the table, unless that has happened already.
func (a *asker) end(e entry) error {
	family := uint8(unix.AF_INET)
	if e.From.Addr().Is6() {
		family = unix.AF_INET6
	}
	request := a.request(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, family, a.endings)
	request.AddData(nl.NewRtAttr(nl.CTA_TUPLE_ORIG|unix.NLA_F_NESTED, e.original))
	for kind, value := range map[int][]byte{nl.CTA_ZONE: e.zone, nl.CTA_ID: e.id} {
		if value != nil {
			request.AddData(nl.NewRtAttr(kind, value))
		}
	}
	_, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("end %s: %w", e.Connection, err)
	}
	return nil
}

// request builds a message to conntrack for one family.
func (*asker) request(what, flags int, family uint8, socket *nl.SocketHandle) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|what, flags)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: socket}
	request.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return request
}
