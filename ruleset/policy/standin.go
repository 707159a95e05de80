package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// standIns stands in the place of a namespace's name; no namespace has an underscore in
// its name.
const standIns = "by_address"

// StandInKey names the stand-in for all pods of a node that claim an address.
func StandInKey(a netip.Addr) Key {
	return Key{standIns, strings.ReplaceAll(a.String(), ":", "-")}
}

// StandIn returns the pod that stands in for all pods of a node that claim one address,
// in one direction, and the policies that decide about it. It is isolated where one of the
// pods is, and audited where none is and one is audited. Only the policies count that do
// that to all of these pods, and only the port names that mean the same to all of them, so
// that never more is allowed than to each of these pods.
func StandIn(a netip.Addr, pods []Pod, deciding func(Pod) Deciders) (standIn Pod, by Deciders) {
	standIn = Pod{Key: StandInKey(a), Addrs: []netip.Addr{a}}
	for _, p := range pods {
		own := deciding(p)
		switch {
		case own.Effect < by.Effect || own.Effect == Frees:
		case own.Effect > by.Effect:
			by = Deciders{slices.Clone(own.Policies), own.Effect}
			standIn.Node, standIn.Ports = p.Node, slices.Clone(p.Ports)
		default:
			by.Policies = common(by.Policies, own.Policies)
			standIn.Ports = common(standIn.Ports, p.Ports)
		}
	}
	return standIn, by
}

// common keeps of a list what is in another one, too.
func common[T comparable](list, other []T) []T {
	return slices.DeleteFunc(list, func(one T) bool { return !slices.Contains(other, one) })
}

// IsStandIn reports whether a key names a stand-in.
func IsStandIn(k Key) bool { return k.Namespace == standIns }
