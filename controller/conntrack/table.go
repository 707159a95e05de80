package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Table is conntrack's table of one network namespace. It is for one goroutine at a time.
type Table struct {
	links   *netlink.Handle
	entries *nl.SocketHandle
}

// Open gets hold of the table of the calling thread's network namespace.
func Open() (*Table, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_NETFILTER)
	if err != nil {
		links.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &Table{links: links, entries: &nl.SocketHandle{Socket: socket}}, nil
}

// Close lets go of it.
func (t *Table) Close() {
	t.links.Close()
	t.entries.Close()
}

// List returns the connections that keep wants, sorted. Those of the node itself are not asked for: they do
// not pass the forward hook. It costs about 2 µs an entry of the whole table.
func (t *Table) List(ctx context.Context, keep func(ruleset.Connection) bool) ([]ruleset.Connection, error) {
	own, err := t.ownAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses of this node: %w", err)
	}
	var list []ruleset.Connection
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := t.each(ctx, family, func(c ruleset.Connection, _ []byte) {
			if !own[c.From.Addr()] && !own[c.To.Addr()] && keep(c) {
				list = append(list, c)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
	}
	slices.SortFunc(list, ruleset.Connection.Compare)
	return slices.Compact(list), nil
}

func (t *Table) ownAddrs() (map[netip.Addr]bool, error) {
	list, err := t.links.AddrList(nil, netlink.FAMILY_ALL)
	own := map[netip.Addr]bool{}
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			own[addr.Unmap()] = true
		}
	}
	return own, err
}

// each calls do for every entry of a family, with the message that it was read from.
func (t *Table) each(ctx context.Context, family uint8, do func(ruleset.Connection, []byte)) error {
	request := t.request(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, family)
	err := request.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if c, ok := parse(message); ok {
			do(c, message)
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}
