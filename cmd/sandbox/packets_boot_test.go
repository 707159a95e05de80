package sandbox_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
)

const (
	allDenied = `deny a/old > a/far TCP 80
		deny a/far > a/old UDP 80
		deny a/old > out PING
		allow a/old > n1 TCP 80`
	oldIsKnown = `allow a/old > a/far TCP 80
		allow a/far > a/old UDP 80
		allow a/old > out PING`
)

// A strict node that has started denies its pods though nobody says which there are; it knows their
// range from its bridge. What the last agent let pass does not end when the next one hears of
// nobody.
func TestStrictNodeBootsClosedOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{strict: true, idle: true})
	w := newcomers.world(t)
	r.build(w)
	r.askUntold(oldIsKnown)
	r.startUntold()
	r.askUntold(allDenied)
	t.Run("half of what there is was read", func(t *testing.T) {
		r.report(t)
		for _, a := range r.agents {
			a.deliver(source.Mail{Events: moves(r.told, w), Synced: true, Blind: true,
				Complaints: map[string]string{"policies": "unread"}})
			a.await(t, "it has read that", func() bool {
				return a.control.Health.Readiness().Reasons["source"] != ""
			})
		}
		r.askUntold(allDenied)
	})
	t.Run("and now all", func(t *testing.T) {
		r.report(t)
		r.restart(w, func() {})
		r.check(w, oldIsKnown)
		r.agree(w)
	})
	t.Run("the next agent hears of nobody", func(t *testing.T) {
		r.report(t)
		for _, a := range r.agents {
			a.stop()
		}
		r.build(withNewcomer(t, w))
		r.startUntold()
		r.askUntold(oldIsKnown + "\n" + newIsDenied)
	})
}

// startUntold starts the agents and tells them nothing; it waits until their kernels deny what is
// unknown.
func (r *rig) startUntold() {
	r.t.Helper()
	for node, a := range r.agents {
		a.start(r.t)
		a.await(r.t, "the strict frame is there", func() bool {
			return strings.Contains(r.table(node), "cidrs6-local")
		})
	}
}

// A bridge that appears later counts at once, and so does a tunnel that has the first address of
// the node's range.
func TestRangesThatAppearOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{strict: true, idle: true})
	r.startUntold()
	for _, row := range []struct {
		link netlink.Link
		addr string
		want string
	}{
		{&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "kube-bridge"}}, "10.99.3.1/24",
			"10.99.3.0/24"},
		{&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "flannel.1"}, PeerName: "end"},
			"10.99.4.0/32", "10.99.4.0/24"},
	} {
		r.must(r.InNode("n1", func() error { return raise(row.link, row.addr) }))
		eventually(t, row.want+" is denied", func() bool {
			return strings.Contains(r.list("n1", "set", "inet", "picket", "cidrs4-local"), row.want)
		})
	}
}

// raise makes an interface with an address.
func raise(link netlink.Link, address string) error {
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkAdd(link), netlink.AddrAdd(link, addr), netlink.LinkSetUp(link))
}

// The range of a node stays when its object goes, or says no more of it.
func TestRangeOutlivesItsNodeOnRealPackets(t *testing.T) {
	for name, gone := range map[string]func(*corev1.Node) graph.Event{
		"the object is deleted": func(n *corev1.Node) graph.Event {
			return graph.NodeGone{Name: n.Name}
		},
		"its ranges are emptied": func(n *corev1.Node) graph.Event {
			n = n.DeepCopy()
			n.Spec.PodCIDR, n.Spec.PodCIDRs = "", nil
			return graph.EventOf(n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{strict: true, idle: true})
			// which tells of a range, too
			r.must(r.InNode("n1", func() error { return rename("cni0", "other0") }))
			w := newcomers.world(t)
			r.build(w)
			r.restart(w, func() {})
			r.feed(gone(w.Nodes[0]))
			r.build(withNewcomer(t, w))
			r.askUntold("deny a/new > a/far TCP 80\ndeny a/far > a/new PING\n" + oldIsKnown)
		})
	}
}

// What a node sends by itself through a vxlan tunnel comes from the first address of its pod range.
// An ipBlock that names the node lets it pass: an API server on the host network that calls a
// webhook.
func TestNodeThroughItsTunnelOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := setting{
		pods: `a/webhook n1 app=webhook
			a/open n1
			b/pod n2`,
		policies: []string{`a/apiserver {podSelector: {matchLabels: {app: webhook}}, ingress: [{from: [{ipBlock: {cidr: 10.77.0.12/32}}, {ipBlock: {cidr: 'fd77::12/128'}}], ports: [{port: 8443}]}]}`},
		flows: `allow n2 > a/webhook TCP 8443
			deny n2 > a/webhook TCP 80
			deny n3 > a/webhook TCP 8443
			deny b/pod > a/webhook TCP 8443`,
	}
	w := s.world(t)
	r.become(w)
	r.check(w, s.flows)
	for _, node := range []string{"n2", "n3"} {
		number := strings.TrimPrefix(node, "n")
		for _, tunnel := range []string{"10.244." + number + ".0/32",
			"fd00:10:244:" + number + "::/128"} {
			r.must(r.InNode(node, func() error {
				return sendFrom(netip.MustParsePrefix(tunnel),
					r.pods["a/webhook"].Addrs)
			}))
		}
	}
	r.askUntold(s.flows)
	r.agree(w)
}

// sendFrom has a node use an address of its own for what it sends to some others.
func sendFrom(own netip.Prefix, to []netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(own.String())
	if err != nil {
		return err
	}
	addr.Flags = unix.IFA_F_NODAD // or it is not to be had at once
	if err := netlink.AddrAdd(lo, addr); err != nil {
		return err
	}
	if isForAll(own.Addr()) {
		forAll := netlink.Route{Dst: netlink.NewIPNet(own.Addr().AsSlice()), Type: unix.RTN_BROADCAST,
			Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteDel(&forAll); err != nil {
			return err
		}
	}
	for _, a := range to {
		if a.Is4() != own.Addr().Is4() {
			continue
		}
		ways, err := netlink.RouteGet(a.AsSlice())
		if err != nil {
			return err
		}
		way := netlink.Route{LinkIndex: ways[0].LinkIndex, Gw: ways[0].Gw,
			Dst: netlink.NewIPNet(a.AsSlice()), Src: own.Addr().AsSlice()}
		if err := netlink.RouteAdd(&way); err != nil {
			return err
		}
	}
	return nil
}
