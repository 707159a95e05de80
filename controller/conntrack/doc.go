// Package conntrack lists the connections that are open through this node, as the firewall's hook
// sees them.
//
//	conntrack entry     original  10.244.1.5:40000 ► 10.96.0.10:53      what the client sent
//	                    reply     10.244.2.7:53    ► 10.244.1.5:40000   what the kernel expects back
//	forward hook        10.244.1.5:40000 ► 10.244.2.7:53                the sources of the two
//
// Both ends of a connection are the sources in its entry: the destination is translated before the
// hook, the source after it. Entries are read one by one as the kernel sends them, because a node
// can have a million.
package conntrack
