// Package nft carries programs into the kernel: as nftables tables, over one lasting netlink
// socket, in one transaction a step of a delta. Script prints the same table as text for the nft
// program.
//
//	table inet picket
//
//	 forward hook ──► chain forward        what this node passes on
//	                    replies of allowed connections ──────────────────► accept
//	                    ICMP errors about them ─────────► chain related ─► accept
//	                    IPv6: neighbour discovery on the link ───────────► accept
//	                    router advertisements and redirects from pods ───► drop
//	                    IPv6: link-local addresses between pods ─────────► drop
//	                    a pod of this node, not by the pod's own link ───► drop
//	                    source in map egress4/6 ─► chain egress/NAMESPACE/POD ─► chain arrival, else denied
//	                    else ──────────────────────────────────────────────────► chain arrival
//	                  chain arrival
//	                    destination in map ingress4/6 ─► chain ingress/NAMESPACE/POD ─► accept, else denied
//	                    from a pod to a node ──► chain tunnels: where a node unpacks ─► drop
//	                    else ────────────────────────────────────────────────────────► accept
//	 output hook ───► chain output         what a process or IPVS of this node sends
//	                    replies, errors, as above ───────────────────────► accept
//	                    from an address of the node ─────────────────────► accept
//	                    to an address of the node ─► chain tunnels ──────► accept
//	                    else as in forward, from the map egress4/6 on
//	 input hook ────► chain input          what pods send to this node
//	                    to a group that bridges keep to themselves ──────► drop
//	                    router advertisements and redirects from pods ───► drop
//	                    a pod with a link of its own, not by that ───────► drop
//	                    chain tunnels: where the node unpacks ───────────► drop
//
//	table bridge picket: what pods that share a bridge may say there (segment.go)
//
// The steps of a chain become rules in their order. Accept goes on to arrival or accepts, deny
// logs, counts and drops, and pass returns.
//
// A pod's chain with many rules looks the port up in a map of the same name, which leads to
// chains of peers (peers/DIRECTION-DIGEST): one that finds the packet's peer consents, else the
// pod's chain goes on to its denial.
//
// Traffic between a node and its own pods passes the input and output hooks, never forward: it is
// free. What IPVS and transparent proxies send for somebody else leaves by output, with a source
// that is not the node's. One base chain decides both directions, so that an established packet
// costs one look. An accept ends this table only: everybody else's tables see the packet as
// well.
//
// The base chains look up in sets that are there whatever the program is (ruleset.FixedSets):
// which addresses are pods' of this node and by which link they come in, which are nodes', and
// where nodes unpack tunnels. Where all pods are behind one link, it is compared by name: that
// costs a packet a tenth of a look at the set.
//
// What a rule matches is built from terms, each of which holds its text and its expressions side by
// side (term.go, bridge.go, cut.go). The kernel's rules are never parsed: the rule of a chain that
// logs carries a digest of what the chain should hold, and one of what its rules read like in the
// kernel and of how this version encodes rules, so that Observe sees whether anybody changed them
// (digests.go), or another version wrote them (encoding.go). The last rule of a pod's chain names
// the policies that isolate the pod (comments.go).
//
// A transaction is atomic for rules, not for sets and maps: steps.go splits a delta so that no
// packet on its way passes by that. README.md says how to read the tables.
package nft
