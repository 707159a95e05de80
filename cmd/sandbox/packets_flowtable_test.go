package sandbox_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// fastpath has nodes send the packets of open connections past the forward hook.
const fastpath = `table inet fastpath {
	flowtable ft { hook ingress priority 0; devices = { cni0, eth0 }; }
	chain forward {
		type filter hook forward priority 0
		meta l4proto { tcp, udp } flow add @ft
	}
}
`

// needFlowtables skips a test where the kernel has none. That is no failure even with
// REQUIRE_KERNEL=1: a kernel without the module nf_flow_table sends nothing past the firewall.
func (r *rig) needFlowtables(node string) {
	r.t.Helper()
	if err := r.nft(node, fastpath); err != nil {
		r.t.Skipf("SKIPPED, NOTHING WAS TESTED: no flowtables here: %v", err)
	}
}

// offloadPorts adds the ports of the bridge to the flowtable of a node. Without them recent kernels
// (7.3) put nothing into it that comes in or leaves by the bridge.
func (r *rig) offloadPorts(node string) {
	r.t.Helper()
	var ports []string
	r.must(r.InNode(node, func() error {
		bridge, err := netlink.LinkByName("cni0")
		if err != nil {
			return err
		}
		links, err := netlink.LinkList()
		for _, l := range links {
			if l.Attrs().MasterIndex == bridge.Attrs().Index {
				ports = append(ports, l.Attrs().Name)
			}
		}
		return err
	}))
	r.must(r.nft(node, "add flowtable inet fastpath ft { hook ingress priority 0; devices = { "+
		strings.Join(ports, ", ")+" }; }"))
}

// offloaded counts the connections of a node that are in a flowtable.
func (r *rig) offloaded(node string) int {
	r.t.Helper()
	var list []byte
	r.must(r.InNode(node, func() (err error) {
		list, err = os.ReadFile("/proc/thread-self/net/nf_conntrack")
		return err
	}))
	return strings.Count(string(list), "[OFFLOAD]")
}

// What is in a flowtable is cut like everything else, by the sender's node and by the
// receiver's, and the nodes say that there is one.
func TestFlowtablesOnRealPackets(t *testing.T) {
	needNft(t)
	for _, narrow := range []int{0, 2} {
		t.Run(narrowings[narrow].name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			r.needFlowtables("n1")
			r.needFlowtables("n2")
			r.start()
			r.become(talkers.world(t))
			r.offloadPorts("n1")
			r.offloadPorts("n2")
			forbidden, permitted := r.offloadedStreams()
			first := r.told
			r.tell(changedWorld(t, first, narrowings[narrow].do))
			began := time.Now()
			stayCut(t, forbidden)
			t.Logf("silent after %v at most", time.Since(began)-cutWithin/5)
			goOn(t, permitted)
			r.tell(first)
			goOn(t, slices.DeleteFunc(forbidden, func(s *stream) bool { return s.serverTalks }))
		})
	}
}

// offloadedStreams are in the flowtables of both nodes.
func (r *rig) offloadedStreams() (forbidden, permitted []*stream) {
	r.t.Helper()
	forbidden, permitted = r.newStreams("a/cli", "a/far", 7000),
		r.newStreams("a/twin", "a/far", 7050)
	all := slices.Concat(forbidden, permitted)
	for _, s := range all {
		s.slow, s.answered = true, true
	}
	r.openAll(all)
	for _, node := range []string{"n1", "n2"} {
		eventually(r.t, "all are in a flowtable of "+node,
			func() bool { return r.offloaded(node) >= len(all) })
		if warnings := r.agents[node].control.Health.Readiness().Warnings; warnings["flowtable inet fastpath ft"] == "" {
			r.t.Errorf("%s does not warn of its flowtable: %v", node, warnings)
		}
	}
	return forbidden, permitted
}
