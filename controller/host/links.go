package host

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// dumps is how often interfaces are listed while others change them meanwhile, so that some can be
// missing.
const dumps = 4

// listLinks returns all interfaces of the node, or an error: what would be missing would not be
// guarded.
func listLinks() (links []netlink.Link, err error) {
	for range dumps {
		// Only a list that was interrupted is worth another attempt.
		if links, err = netlink.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}
