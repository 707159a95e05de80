package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/sandbox"
)

// testPod is a pod of the namespace shop that sends or serves; app is its label.
type testPod struct {
	name, app string
	node      int // 1 or 2
	host      int // last part of its addresses
}

// testPods lists them. What they may do stands in the policies of the folder.
func testPods() []testPod {
	return []testPod{
		{"web", "web", 1, 5},     // serves clients
		{"free", "free", 1, 6},   // serves everybody: no policy selects it
		{"near", "client", 1, 7}, //
		{"far", "client", 2, 5},  //
		{"alien", "alien", 1, 8}, // no client; only the node of web keeps it out
		{"rogue", "alien", 2, 6}, // likewise, across nodes
		{"caged", "caged", 2, 7}, // may send nothing; only its own node keeps it in
	}
}

const (
	servicePort = "80"
	shop        = "shop"
)

func (a testPod) pod() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/" + a.name, Node: nodeName(a.node),
		Addrs: addrs(a.node, a.host)}
}

// podOf returns a test pod by its name.
func podOf(name string) sandbox.Pod {
	all := testPods()
	return all[slices.IndexFunc(all, func(a testPod) bool { return a.name == name })].pod()
}

// addrsOfPod are the addresses, by family, of a test pod, of a tunnelTarget, or of the stranger,
// who is not in the cluster.
func addrsOfPod(name string) []netip.Addr {
	switch name {
	case "stranger":
		return []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7")}
	case tunnelTarget(1).name:
		return tunnelTarget(1).pod().Addrs
	case tunnelTarget(2).name:
		return tunnelTarget(2).pod().Addrs
	}
	return podOf(name).Addrs
}

func nodeName(node int) string { return fmt.Sprintf("n%d", node) }

// addrs are those of a pod, by family.
func addrs(node, host int) []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{10, 244, byte(node), byte(host)}),
		netip.MustParseAddr(fmt.Sprintf("fd00:10:244:%d::%x", node, host)),
	}
}

// nodes are the machines of every sandbox.
func nodes() []sandbox.Node {
	var all []sandbox.Node
	for n := 1; n <= 2; n++ {
		all = append(all, sandbox.Node{
			Name: nodeName(n),
			Addrs: []netip.Addr{
				netip.AddrFrom4([4]byte{10, 77, 0, byte(n)}),
				netip.MustParseAddr(fmt.Sprintf("fd77::%d", n)),
			},
			PodCIDRs: []netip.Prefix{
				netip.PrefixFrom(addrs(n, 0)[0], 24), netip.PrefixFrom(addrs(n, 0)[1], 64),
			},
		})
	}
	return all
}
