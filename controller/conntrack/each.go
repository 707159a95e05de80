package conntrack

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink/nl"

	"github.com/picket-project/picket/ruleset"
)

// Each calls do for every connection that is open through the node; the node's own, and those of TCP
// that are at their end, are left out. Nothing is changed.
func (t *Table) Each(ctx context.Context, do func(ruleset.Connection)) error {
	return t.all.look(func() error { return t.all.eachOpen(ctx, do) })
}

// eachOpen is Each over open sockets.
func (a *asker) eachOpen(ctx context.Context, do func(ruleset.Connection)) error {
	// They never meet the rules of pods.
	own, err := a.ownAddrs()
	if err != nil {
		return err
	}
	for _, f := range wholeTable() {
		err := a.each(ctx, f, func(e entry) {
			if !e.over && !own[e.From.Addr()] && !own[e.To.Addr()] {
				do(e.Connection)
			}
		})
		if err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
	}
	return nil
}

// Attributes of CTA_PROTOINFO (enum ctattr_protoinfo, enum ctattr_protoinfo_tcp).
const (
	ctaProtoinfoTCP      = 1
	ctaProtoinfoTCPState = 1
)

// isOver reports whether a connection of TCP is closed by both ends: from CTA_PROTOINFO.
func isOver(info []byte) bool {
	// Other protocols have other attributes here, and no end.
	for kind, tcp := range attributes(info) {
		if kind != ctaProtoinfoTCP {
			continue
		}
		for kind, value := range attributes(tcp) {
			if kind == ctaProtoinfoTCPState && len(value) == 1 {
				return value[0] == nl.TCP_CONNTRACK_TIME_WAIT || value[0] == nl.TCP_CONNTRACK_CLOSE
			}
		}
	}
	return false
}
