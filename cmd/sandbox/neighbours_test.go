package sandbox

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// More pods talk to each other than the machine's neighbour table holds: those
// that did not fit are open all the same, and those that nobody answers silent.
func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("not in short mode")
	}
	c := newCluster(t, threeNodes())
	pods := podsPerNode(20)
	start(t, c, pods...)
	before, err := overflows()
	if err != nil {
		t.Fatal(err)
	}
	probes := allPairs(pods)
	people := len(probes)
	nobody := Pod{Addrs: addrs("10.244.1.99", "fd00:244:0:1::99")}
	for _, p := range pods {
		probes = append(probes, between(p, nobody, webPort)...)
	}
	began := time.Now()
	outcomes := run(t, c, timeout, probes...)
	// On a slow machine some are sent when the kernel has given up on the neighbour already.
	givenUp := time.Since(began) > 10*time.Second
	for i, got := range outcomes {
		wanted := []Outcome{Open, Silent}[i/people]
		if got != wanted && (wanted == Open || got != Refused || !givenUp) {
			t.Errorf("%s: %s, want %s", probes[i], got, wanted)
		}
	}
	after, err := overflows()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d probes, neighbours that did not fit: %d", len(probes), after-before)
}

func TestForgetNeighbours(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(2)
	start(t, c, pods...)
	known := func() (count int) {
		err := c.InPod(pods[0].Name, func() error {
			neighbours, err := netlink.NeighList(0, netlink.FAMILY_ALL)
			for _, n := range neighbours {
				if n.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) == 0 {
					count++
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	want(t, c, Open, allPairs(pods)...)
	if known() == 0 {
		t.Error("a pod that has talked knows nobody")
	}
	if err := c.forgetNeighbours(); err != nil {
		t.Fatal(err)
	}
	if n := known(); n != 0 {
		t.Errorf("it still knows %d", n)
	}
	want(t, c, Open, allPairs(pods)...)
}
