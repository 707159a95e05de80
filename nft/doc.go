// Package nft carries programs into the kernel: as nftables tables, over one lasting netlink socket, in
// one transaction a step of a delta. Script prints the same table as text for the nft program.
//
//	table inet picket
//
//	 forward hook ──► chain forward
//	                    replies of allowed connections ──────────────────► accept
//	                    ICMP errors about them ─────────► chain related ─► accept
//	                    neighbour discovery on the link ─────────────────► accept
//	                    router advertisements and redirects from pods ───► drop
//	                    link-local addresses between pods ───────────────► drop
//	                    source in map egress4/6 ─► chain egress/NAMESPACE/POD ─► chain arrival, else denied
//	                    else ──────────────────────────────────────────────────► chain arrival
//	                  chain arrival
//	                    destination in map ingress4/6 ─► chain ingress/NAMESPACE/POD ─► accept, else denied
//	                    else ────────────────────────────────────────────────────────► accept
//	 input hook ────► chain input
//	                    router advertisements and redirects from pods ───► drop
//
//	table bridge picket: what pods that share a bridge may say there (segment.go)
//
// A pod's chain with many rules looks the port up in a map of the same name, which leads to chains of peers
// (peers/DIRECTION-DIGEST): one that finds the packet's peer consents, else the pod's chain goes on to its denial.
//
// Traffic between a node and its own pods passes the input and output hooks, never forward: it is free
// without a rule. One base chain judges both directions, so that an established packet costs one look.
// An accept ends this table only: everybody else's tables judge the packet as well.
//
// What a rule matches is built from terms, each of which holds its text and its expressions side by side.
// The kernel's rules are never parsed: a chain's last rule carries the digest of what it should hold, and one
// of what its rules read like in the kernel, so that Observe sees whether anybody changed them.
package nft
