// Package sandbox is a cluster of network namespaces on one machine: nodes and
// pods as namespaces, the links between them, and probes that tell which pod
// reaches which. The verb `picket sandbox` uses it, and every test
// that wants to see packets rather than rules.
//
//	      node-a                            node-b
//	┌────────────────────────┐        ┌────────────────────────┐
//	│ cni0 10.244.1.1/24     │        │ cni0 10.244.2.1/24     │
//	│ (bridge, hairpin ports)│        │                        │
//	│  │ │        forwarding │        │  │                     │
//	│  │ │              eth0 │        │  │                eth0 │
//	└──┼─┼────────────────┬──┘        └──┼─────────────────┬──┘
//	   │ │                │  ┌────────┐  │                 │
//	   │ │                └──┤ switch ├──┼─────────────────┘
//	   │ │                   └────────┘  │
//	┌──┴─┼─┐ ┌──────┐                 ┌──┴───┐
//	│ eth0 │ │ eth0 │                 │ eth0 │
//	│ pod  └─┤ pod  │                 │ pod  │
//	└──────┘ └──────┘                 └──────┘
//
// The shape is that of flannel in host-gw mode over the bridge CNI plugin. The
// pods of a node share one layer 2 segment, so what they say to each other
// meets the forward hook only through br_netfilter; this package leaves its
// sysctls alone, because the product has to set them. Nodes route each
// other's pod ranges over the switch, a bridge in a namespace of its own. What
// no node has leaves by a router that does not exist: it is lost, as it would be on
// the internet, and no ICMP error tells of it.
//
// # Contract
//
//   - A namespace has no name and no mount. File descriptors hold it, so that it
//     goes with the process, however the process ends. Children started with
//     StartInNode and StartInPod die with the cluster and with the process.
//   - When AddPod returns, the pod's links forward and its segment knows its
//     addresses: the first packet arrives. No address ever waits for DAD.
//   - An address that nobody has is silent for ten seconds; only then do
//     neighbours give up on it and answer with an ICMP error.
//   - ICMP errors are not rate limited, so a thousand rejects are a thousand answers.
//   - The source port of a probe returns after 28,000 probes from the same
//     namespace, so no probe uses the conntrack entry of an earlier one.
//   - An answer names the pod that gave it. A probe answered by another pod than
//     the expected one is a Stranger, never Open.
//   - A hostNetwork pod is its node's namespace. Its probes leave with the source
//     address that the routes choose, as a process of the host would.
//   - A host outside of the cluster is a node without PodCIDRs.
//   - Every method is safe for concurrent use.
//
// Limits: pods that talk on one segment share the machine's neighbour table (see
// net.ipv4.neigh.default.gc_thresh3). Some 50 pods, each to each, fill it. Run
// notices and takes a timeout longer for every 200 probes that were silent.
package sandbox
