package sandbox

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestEveryPodReachesEveryPod(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(2)
	start(t, c, pods...)
	want(t, c, Open, allPairs(pods)...)
	want(t, c, Open, between(pods[0], pods[0], webPort)...)
}

func TestNobodyServes(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(1)
	start(t, c, pods...)
	for _, from := range pods {
		for _, to := range pods {
			want(t, c, Refused, between(from, to, closedPort)...)
		}
	}
}

func TestNobodyIsThere(t *testing.T) {
	c := newCluster(t, threeNodes())
	start(t, c, podOn("a", 0))
	host := Pod{Name: "kube-system/host", Node: "a", HostNetwork: true}
	start(t, c, host)
	nobody := Pod{Addrs: addrs(
		"10.244.0.99", "fd00:244::99", // own node
		"10.244.1.99", "fd00:244:0:1::99", // another node
		"172.20.0.99", "fd00:20::99", // the nodes' network
		"203.0.113.1", "2001:db8::1", // the internet
	)}
	want(t, c, Silent, append(between(podOn("a", 0), nobody, webPort),
		between(host, nobody, webPort)...)...)
}

func TestHostNetwork(t *testing.T) {
	c := newCluster(t, threeNodes())
	pods := podsPerNode(1)
	start(t, c, pods...)
	host := Pod{Name: "kube-system/proxy", Node: "b", HostNetwork: true}
	start(t, c, host)
	node := threeNodes()[1]
	host.Addrs = append(node.Addrs, addrs("10.244.1.1", "fd00:244:0:1::1")...)
	for _, p := range pods {
		want(t, c, Open, between(p, host, webPort)...)
		want(t, c, Open, between(host, p, webPort)...)
	}
	if err := c.DeletePod(host.Name); err != nil {
		t.Fatal(err)
	}
	want(t, c, Refused, between(pods[0], host, webPort)...)
	want(t, c, Open, allPairs(pods)...)
}

// An address passes from pod to pod, with other pods' neighbour tables full of
// the one before, and from nobody to a pod, with neighbours in the middle of asking.
func TestAddressChangesHands(t *testing.T) {
	c := newCluster(t, threeNodes())
	neighbour, stranger, first := podOn("a", 0), podOn("b", 0), podOn("a", 1)
	start(t, c, neighbour, stranger)
	second, third := first, first
	second.Name, third.Name = "default/second", "default/third"
	second.Addrs = []netip.Addr{first.Addrs[0], netip.MustParseAddr("fd00:244::77")}
	third.Addrs = []netip.Addr{first.Addrs[1]}
	for _, next := range []Pod{first, second, third, first} {
		want(t, c, Silent, append(between(neighbour, next, webPort),
			between(stranger, next, webPort)...)...)
		start(t, c, next)
		want(t, c, Open, append(between(neighbour, next, webPort),
			between(stranger, next, webPort)...)...)
		want(t, c, Open, between(Pod{Name: next.Name}, neighbourFor(neighbour, next), webPort)...)
		if err := c.DeletePod(next.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// neighbourFor is a pod with only those addresses that the other has a family for.
func neighbourFor(p, other Pod) Pod {
	var same []netip.Addr
	for _, a := range p.Addrs {
		if sameFamily(other.Addrs, a).IsValid() {
			same = append(same, a)
		}
	}
	p.Addrs = same
	return p
}

// Pods outside of their node's range, on nodes with a range, without one, and on
// another subnet.
func TestStrays(t *testing.T) {
	nodes := threeNodes()
	nodes[1].PodCIDRs = nil
	nodes[2].Addrs = addrs("172.21.0.10", "fd00:21::10")
	c := newCluster(t, nodes)
	pods := []Pod{
		podOn("a", 0),
		podOn("c", 0),
		{Name: "default/s1", Node: "a", Addrs: addrs("10.9.0.1", "fd00:9::1")},
		{Name: "default/s2", Node: "a", Addrs: addrs("10.9.0.2", "fd00:9::2")},
		{Name: "default/s3", Node: "b", Addrs: addrs("10.9.0.3", "fd00:9::3")},
		{Name: "default/s4", Node: "b", Addrs: addrs("10.9.0.4", "fd00:9::4")},
	}
	start(t, c, pods...)
	hosts := []Pod{
		{Name: "kube-system/a", Node: "a", HostNetwork: true, Addrs: nodes[0].Addrs},
		{Name: "kube-system/b", Node: "b", HostNetwork: true, Addrs: nodes[1].Addrs},
		{Name: "kube-system/c", Node: "c", HostNetwork: true, Addrs: nodes[2].Addrs},
	}
	start(t, c, hosts...)
	want(t, c, Open, allPairs(append(pods, hosts...))...)
	if err := c.DeletePod("default/s3"); err != nil {
		t.Fatal(err)
	}
	want(t, c, Silent, between(pods[0], pods[4], webPort)...)
}

func TestSingleStack(t *testing.T) {
	for family, suffix := range []string{"IPv4", "IPv6"} {
		t.Run(suffix, func(t *testing.T) {
			nodes, pods := threeNodes(), podsPerNode(1)
			for i := range nodes {
				nodes[i].Addrs = nodes[i].Addrs[family : family+1]
				nodes[i].PodCIDRs = nodes[i].PodCIDRs[family : family+1]
				pods[i].Addrs = pods[i].Addrs[family : family+1]
			}
			c := newCluster(t, nodes)
			start(t, c, pods...)
			want(t, c, Open, allPairs(pods)...)
		})
	}
}

func TestImpossibleClusters(t *testing.T) {
	for name, spoil := range map[string]func(*Node){
		"no name":              func(n *Node) { n.Name = "" },
		"a name twice":         func(n *Node) { n.Name = "b" },
		"no address":           func(n *Node) { n.Addrs = nil },
		"two of a family":      func(n *Node) { n.Addrs = addrs("10.0.0.1", "10.0.0.2") },
		"zero address":         func(n *Node) { n.Addrs = []netip.Addr{{}} },
		"address twice":        func(n *Node) { n.Addrs = threeNodes()[1].Addrs },
		"range twice":          func(n *Node) { n.PodCIDRs = threeNodes()[1].PodCIDRs },
		"range without family": func(n *Node) { n.Addrs = n.Addrs[:1] },
		"range without room": func(n *Node) {
			n.PodCIDRs = []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/31")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			needKernel(t)
			nodes := threeNodes()
			spoil(&nodes[2])
			if c, err := New(nodes); err == nil || c != nil {
				t.Errorf("New = %v, %v", c, err)
			}
		})
	}
}

func TestImpossiblePods(t *testing.T) {
	c := newCluster(t, threeNodes())
	start(t, c, podOn("a", 0))
	for name, p := range map[string]Pod{
		"no name":            {Node: "a", Addrs: addrs("10.244.0.20")},
		"a name twice":       {Name: "default/a0", Node: "a", Addrs: addrs("10.244.0.20")},
		"no such node":       {Name: "x/x", Node: "x", Addrs: addrs("10.244.0.20")},
		"no address":         {Name: "x/x", Node: "a"},
		"a pod's address":    {Name: "x/x", Node: "a", Addrs: podOn("a", 0).Addrs[:1]},
		"a node's address":   {Name: "x/x", Node: "a", Addrs: addrs("172.20.0.11")},
		"the gateway":        {Name: "x/x", Node: "a", Addrs: addrs("10.244.0.1")},
		"another's range":    {Name: "x/x", Node: "a", Addrs: addrs("10.244.1.20")},
		"multicast":          {Name: "x/x", Node: "a", Addrs: addrs("ff02::1")},
		"not even an adress": {Name: "x/x", Node: "a", Addrs: []netip.Addr{{}}},
	} {
		if err := c.AddPod(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := c.DeletePod("x/x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete what is not there: %v", err)
	}
}

func TestChildrenLiveInTheirNamespace(t *testing.T) {
	c := newCluster(t, threeNodes())
	start(t, c, podOn("a", 0))
	var inPod, inNode netlink.Link
	look := func(name string, into *netlink.Link) func() error {
		return func() (err error) { *into, err = netlink.LinkByName(name); return err }
	}
	if err := errors.Join(c.InPod("default/a0", look("eth0", &inPod)),
		c.InNode("a", look("cni0", &inNode))); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	cmd := exec.Command("cat", "/proc/net/dev", "/proc/sys/net/ipv6/conf/eth0/forwarding")
	cmd.Stdout = &text
	if err := c.StartInPod("default/a0", cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "eth0:") || strings.Contains(got, "cni0:") ||
		!strings.HasSuffix(got, "\n0\n") {
		t.Errorf("a child in the pod sees:\n%s", got)
	}
}

func TestChildrenDieWithTheCluster(t *testing.T) {
	c := newCluster(t, threeNodes()[:1])
	cmd := exec.Command("sleep", "1000")
	if err := c.StartInNode("a", cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the child ended by: %v", err)
		}
	case <-time.After(speed.Limit(10 * time.Second)):
		_ = cmd.Process.Kill()
		t.Fatal("the child lives on")
	}
	if err := c.StartInNode("a", exec.Command("true")); !errors.Is(err, ErrNotFound) {
		t.Errorf("start in a closed cluster: %v", err)
	}
}

// The engine must leave it to the product to make bridged packets meet the firewall.
func TestBridgeFilterUntouched(t *testing.T) {
	const path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	if _, err := os.Stat(path); err != nil {
		cannotRun(t, err)
	}
	c := newCluster(t, threeNodes()[:1])
	bare, err := NewNetns()
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	values := map[string]bool{}
	read := func() error {
		value, err := os.ReadFile(path)
		values[string(value)] = true
		return err
	}
	if err := errors.Join(c.InNode("a", read), bare.Do(read)); err != nil {
		t.Fatal(err)
	}
	if len(values) != 1 {
		t.Errorf("a node has another value than a fresh namespace: %v", values)
	}
}
