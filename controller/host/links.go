package host

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// dumps is how often something is listed while others change it meanwhile, so that some can be
// missing.
const dumps = 4

// listLinks returns all interfaces of the node, or an error: what would be missing would not be
// guarded.
func listLinks() ([]netlink.Link, error) {
	links, err := uninterrupted(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// uninterrupted lists something anew where others have changed it meanwhile: on a busy node that is
// nothing to tell people of.
func uninterrupted[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumps {
		// Only a list that was interrupted is worth another attempt.
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
