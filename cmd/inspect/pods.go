package inspect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Pod is a pod that can send and receive. One on its node's network has its node's addresses.
type Pod struct {
	Name  string // namespace/name
	Node  string
	Addrs []netip.Addr
}

// PodsOf returns the pods that have an address and have not finished, sorted by name.
func PodsOf(o policy.Objects) []Pod {
	var pods []Pod
	for _, p := range o.Pods {
		// Nobody can reach a pod that has no address.
		pod := Pod{p.Namespace + "/" + p.Name, p.Spec.NodeName, policy.PodAddrs(p)}
		if !policy.Finished(p) && len(pod.Addrs) > 0 {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// In returns the pod with its addresses of these families only.
func (p Pod) In(families ...ruleset.Family) Pod {
	p.Addrs = InFamilies(p.Addrs, families)
	return p
}

// At returns the pod with this address only.
func (p Pod) At(addr netip.Addr) Pod {
	p.Addrs = []netip.Addr{addr}
	return p
}

// InFamilies returns the addresses of these families.
func InFamilies(addrs []netip.Addr, families []ruleset.Family) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		return !slices.Contains(families, ruleset.FamilyOf(a))
	})
}

// SameFamily returns the first address of a's family; the zero Addr if there is none.
func SameFamily(addrs []netip.Addr, a netip.Addr) netip.Addr {
	if same := InFamilies(addrs, []ruleset.Family{ruleset.FamilyOf(a)}); len(same) > 0 {
		return same[0]
	}
	return netip.Addr{}
}

// Port is a port that a pod serves.
type Port struct {
	Protocol ruleset.Protocol
	Number   uint16
}

func (p Port) String() string { return fmt.Sprintf("%s/%d", p.Protocol, p.Number) }

// Compare orders ports by number, then by protocol.
func (p Port) Compare(o Port) int {
	return cmp.Or(cmp.Compare(p.Number, o.Number), cmp.Compare(p.Protocol, o.Protocol))
}
