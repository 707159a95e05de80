package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// All namespaces of the machine share one neighbour table per family, which takes
// net.ipv4.neigh.default.gc_thresh3 entries, 1,024 by default, and each pod that
// talks to another one on its segment is an entry. What does not fit is dropped
// without a word, and a probe of it would pass for silent. So Run watches the
// kernel's count of such failures, and repeats what it cannot trust in batches
// small enough to fit.

// errNeighboursFull is for when even that does not help: others fill the table.
var errNeighboursFull = errors.New(
	"the neighbour table of this machine is full, so silence means nothing; " +
		"raise net.ipv4.neigh.default.gc_thresh3 and net.ipv6.neigh.default.gc_thresh3 " +
		"in its first network namespace")

// overflows is how often, since the machine's start, a neighbour did not fit.
func overflows() (count uint64, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETNEIGHTBL, unix.NLM_F_DUMP)
	request.AddData(nl.NewRtGenMsg()) // of every family
	tables, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGHTBL)
	if err != nil {
		return 0, fmt.Errorf("read neighbour tables: %w", err)
	}
	for _, table := range tables {
		failures, err := overflowsOf(table)
		if err != nil {
			return 0, fmt.Errorf("read neighbour tables: %w", err)
		}
		count += failures
	}
	return count, nil
}

// The layout of a table's description, from linux/neighbour.h.
const (
	tableHeader     = 4      // struct ndtmsg
	tableStatistics = 7      // NDTA_STATS, which only a table has, not a device in it
	tableFulls      = 10 * 8 // ndts_table_fulls in struct ndt_stats, since Linux 4.3
)

// overflowsOf reads the count out of the description of one table. It is 0 for a description that
// has no statistics, which is that of a device.
func overflowsOf(table []byte) (uint64, error) {
	if len(table) < tableHeader {
		return 0, unix.EBADMSG
	}
	attributes, err := nl.ParseRouteAttr(table[tableHeader:])
	if err != nil {
		return 0, err
	}
	for _, a := range attributes {
		if a.Attr.Type == tableStatistics && len(a.Value) >= tableFulls+8 {
			return binary.NativeEndian.Uint64(a.Value[tableFulls:]), nil
		}
	}
	return 0, nil
}

// forgetNeighbours empties the neighbour tables of the whole cluster.
func (c *Cluster) forgetNeighbours() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	namespaces := map[*namespace]bool{}
	for _, n := range c.nodes {
		namespaces[n.namespace] = true
	}
	for _, p := range c.pods {
		namespaces[p.namespace] = true
	}
	for s := range namespaces {
		if err := s.forgetNeighbours(); err != nil {
			return fmt.Errorf("forget neighbours: %w", err)
		}
	}
	return nil
}

// forgetNeighbours leaves alone what never was resolved by asking, which does not count.
func (s *namespace) forgetNeighbours() error {
	links, err := s.links()
	if err != nil {
		return err
	}
	defer links.Close()
	neighbours, err := links.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, n := range neighbours {
		if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 {
			continue
		}
		if err := links.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
