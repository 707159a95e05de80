package nft

import (
	"fmt"

	"github.com/google/nftables"
)

// Names lists the tables and chains of all families that a network namespace has, whoever made
// them. netns is a file descriptor; 0: that of the calling thread.
func Names(netns int) (tables, chains []string, err error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns))
	if err != nil {
		return nil, nil, fmt.Errorf("open netlink socket: %w", err)
	}
	defer conn.CloseLasting()
	all, err := conn.ListTables()
	if err != nil {
		return nil, nil, fmt.Errorf("list tables: %w", err)
	}
	// Families do not matter: a name says enough.
	for _, t := range all {
		tables = append(tables, t.Name)
	}
	// A node has some thousand chains at most: this takes milliseconds.
	list, err := conn.ListChains()
	if err != nil {
		return nil, nil, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range list {
		chains = append(chains, c.Name)
	}
	return tables, chains, nil
}
