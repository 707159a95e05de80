package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// standIns is no name of a namespace, which has no underscore.
const standIns = "by_address"

// StandInKey names the subject that stands for all pods which claim an address.
func StandInKey(a netip.Addr) Key {
	return Key{standIns, strings.ReplaceAll(a.String(), ":", "-")}
}

// StandIn returns as whom an address is judged that pods of its node claim, in one direction: isolated where one of them
// is. What gets through is what policies allow that isolate all of those which are isolated, so that it is never more
// than what each of these pods may; a port name means what all of them call so.
func StandIn(a netip.Addr, pods []Pod, isolating func(Pod) []*Policy) (stand Pod, by []*Policy, isolated bool) {
	stand = Pod{Key: StandInKey(a), Addrs: []netip.Addr{a}}
	for _, p := range pods {
		policies := isolating(p)
		switch {
		case len(policies) == 0:
		case !isolated:
			by, isolated = slices.Clone(policies), true
			stand.Node, stand.Ports = p.Node, slices.Clone(p.Ports)
		default:
			by = slices.DeleteFunc(by, func(one *Policy) bool { return !slices.Contains(policies, one) })
			stand.Ports = slices.DeleteFunc(stand.Ports, func(n PortName) bool { return !slices.Contains(p.Ports, n) })
		}
	}
	return stand, by, isolated
}
