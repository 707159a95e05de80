// Package iptables carries programs into kernels without nf_tables: as chains of the legacy
// iptables table mangle and as ipsets, IPv4 and IPv6 written once. Script prints the same as text.
//
//	Delta ─► content (what the kernel should hold) ─► plan: steps, a pure function ─► ipset, iptables-legacy-restore
//	Observed ◄─────────────── read: iptables-legacy-save, ipset save ◄─────────────── kernel
//
//	 mangle FORWARD ──► picket-forward      what this node passes on
//	                      by or to another port of a bridge than its pod's (fence.go) ► drop
//	                      replies of allowed connections, errors about them ──────► return
//	                      router advertisements and redirects from pods ──────────► drop
//	                      a pod of this node, not by the pod's own link ──────────► drop
//	                      source in set picket-egress4 ─► picket-egress ─► the pod's chain: return, or drop
//	                    ► picket-arrival
//	                      destination in set picket-ingress4 ─► picket-ingress ─► the pod's chain
//	                      from a pod to where a node unpacks tunnels ─────────────► drop
//	 mangle OUTPUT ───► picket-output       what a process or IPVS of this node sends: as in nft
//	 mangle INPUT ────► picket-input        what pods send to this node: as in nft, and by which port of
//	                                        a bridge (fence.go)
//	 mangle PREROUTING ► picket-prerouting  only where pods have links of their own
//	 ebtables                               where there is one and pods share a bridge: what is
//	                                        below the network layer (bridge.go)
//
// # Why the table mangle
//
// In the table filter a rule of somebody else that stands first and accepts would pass by ours, and
// kube-proxy, docker and firewalld all want to be first there. mangle is asked before filter and an
// accept in filter does not undo a drop in mangle. The kernel loads a table as a whole, and mangle
// has few rules of others. The target REJECT exists in filter only: with it, a chain marks the
// packet (rejectMark), filter answers to marked packets, and POSTROUTING of mangle drops those that
// passed filter for any reason.
//
// # Verdicts
//
// What is allowed returns: no chain of ours accepts, so all others' rules are asked as well. From
// the base chain on, all chains of a pod are reached by goto, never by a jump: a return in any of
// them ends the decision. A step that calls a chain shared by pods becomes a copy of that chain, of
// which the end goes on in the rest of the caller (chain.go). So the answer Pass is a goto, too, and
// no packet is marked to remember an answer.
//
// # Dispatch
//
// A pod that no policy isolates in a direction pays one look at a set of subjects. A subject finds
// its chain by a tree over the bits of its address, of four branches each (tree.go): 100 subjects
// are four levels.
//
// # Sets
//
// The kernel changes rules of a family at once and sets one member at a time. So that a flow which is
// denied before and after a change is denied at every moment between, each set has copies by what
// its members can do to a packet (role):
//
//	accepting  rules of the action Accept look it up: who comes opens, who goes closes
//	denying    rules of the action Deny: who comes closes, who goes opens
//	passing    rules of the action Pass: either. Its members never change: its name is made of them,
//	           and other members are another set that the rules change to
//
// and a delta is carried out in this order (plan.go):
//
//	closing  members leave accepting sets and come into denying ones; new subjects come into theirs
//	making   new sets, with all their members, which nothing looks up yet
//	rules    one restore for each family: all chains that differ, at once
//	opening  members come into accepting sets and leave denying ones, and subjects that are gone
//	         leave theirs
//	removal  sets that no rule looks up any more; the kernel lets go of one a moment after its rule
//
// After closing, a flow is allowed only if it was before. After rules, only if it will be. Between
// them a flow may be denied that both states allow, never the other way round. The two families
// need no order: a packet is of one.
//
// # What is found again
//
// Names are digests, of at most 28 bytes for a chain and 31 for a set (names.go). The first rule of
// a pod's chain has the chain's ID for a comment, and the chain picket-sets, which no packet meets,
// has a rule for each set with its ID for a comment, so that no one else can destroy it. An agent
// that starts reads who is dispatched where, and what is in the sets. It asks for the rules of all
// chains anew and compares their texts with those of the kernel: what is the same stays untouched.
//
// Tables of ebtables are read and replaced as a whole (package ebtables). They hold what the segment
// needs that was put last, whatever the program is, so no step of a delta depends on them.
//
// README.md says how to read the rules, and in which points nftables is better.
package iptables
