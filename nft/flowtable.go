package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
)

// flowtableFamilies are those whose tables can have flowtables.
var flowtableFamilies = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
	nftables.TableFamilyINet: "inet",
}

// Flowtables names the flowtables in the namespace, sorted, each by its family, table and own
// name. Packets of the connections in them pass no forward hook (Linux 4.16).
func (b *Backend) Flowtables(context.Context) ([]string, error) {
	names, err := b.flowtables()
	if err != nil {
		err = errors.Join(fmt.Errorf("list flowtables: %w", err), b.hangUp())
	}
	return names, err
}

// flowtables asks every table of the namespace for its flowtables, whoever made it.
func (b *Backend) flowtables() ([]string, error) {
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	tables, err := conn.ListTables()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range tables {
		family, can := flowtableFamilies[t.Family]
		if !can {
			continue
		}
		list, err := conn.ListFlowtables(t)
		if err != nil {
			return nil, fmt.Errorf("of table %s %s: %w", family, t.Name, err)
		}
		for _, f := range list {
			names = append(names, fmt.Sprintf("%s %s %s", family, t.Name, f.Name))
		}
	}
	slices.Sort(names)
	return names, nil
}
