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
// in one direction, and the policies that isolate it. It is isolated where one of the
// pods is. Only the policies count that isolate all of the isolated pods, and only the
// port names that mean the same to all of them, so that never more is allowed than to
// each of these pods.
func StandIn(a netip.Addr, pods []Pod, isolating func(Pod) []*Policy) (
	standIn Pod, by []*Policy, isolated bool,
) {
	standIn = Pod{Key: StandInKey(a), Addrs: []netip.Addr{a}}
	for _, p := range pods {
		policies := isolating(p)
		switch {
		case len(policies) == 0:
		case !isolated:
			by, isolated = slices.Clone(policies), true
			standIn.Node, standIn.Ports = p.Node, slices.Clone(p.Ports)
		default:
			by = common(by, policies)
			standIn.Ports = common(standIn.Ports, p.Ports)
		}
	}
	return standIn, by, isolated
}

// common keeps of a list what is in another one, too.
func common[T comparable](list, other []T) []T {
	return slices.DeleteFunc(list, func(one T) bool { return !slices.Contains(other, one) })
}

// IsStandIn reports whether a key names a stand-in.
func IsStandIn(k Key) bool { return k.Namespace == standIns }
