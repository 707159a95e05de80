package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// named is one denied packet from an address to another, in names.
func named(t *testing.T, c *Controller, chain ruleset.ChainID, from, to string, at time.Time) drops.Drop {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	list, err := c.Name(ctx, []drops.Line{{Time: at, Chain: chain, Packets: 1,
		Logged: ruleset.Logged{Flow: ruleset.Flow{From: netip.MustParseAddr(from),
			To: netip.MustParseAddr(to), Proto: ruleset.TCP, Port: 80}}}})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// Ends have the names that they had when the packet was denied, and the subject is the pod of the
// chain, whatever the packet says.
func TestDropsAreNamed(t *testing.T) {
	mail := make(script)
	c := start(t, Config{Source: mail, Firewall: &kernel{}})
	pod := func(name, addr, node string) graph.Event {
		return graph.PodSet{Pod: policy.Pod{Key: policy.Key{Namespace: "shop", Name: name}, Node: node,
			Labels: map[string]string{"pod-template-hash": "abc"},
			Addrs:  []netip.Addr{netip.MustParseAddr(addr)}}}
	}
	mail <- Mail{Synced: true, Events: []graph.Event{
		graph.NamespaceSet{Namespace: policy.Namespace{Name: "shop"}},
		graph.NodeSet{Node: policy.Node{Name: "n1", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}}},
		graph.NodeSet{Node: policy.Node{Name: "n2", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24")}}},
		graph.PolicySet{Policy: deny("shop", "deny")},
		pod("web-abc-1", "10.1.0.1", "n1"), pod("cli-abc-1", "10.2.0.1", "n2")}}
	chain := ruleset.NewChainID(ruleset.Ingress, "shop", "web-abc-1")
	eventually(t, "isolated", func() bool {
		return len(named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now()).IsolatedBy) == 1
	})
	for from, want := range map[string]string{"10.2.0.1": "shop/cli-abc-1", "192.0.2.2": "node/n2",
		"192.0.2.1": "node/n1", "10.2.0.9": "10.2.0.9 (no pod)", "8.8.8.8": "8.8.8.8"} {
		d := named(t, c, chain, from, "10.1.0.1", time.Now())
		if d.From.String() != want || d.To.Pod != "shop/web-abc-1" || d.Direction != ruleset.Ingress ||
			!slices.Equal(d.IsolatedBy, []string{"shop/deny"}) {
			t.Errorf("%s: %+v", from, d)
		}
	}
	// A packet that claims another destination is still of the chain's pod.
	if d := named(t, c, chain, "8.8.8.8", "10.2.0.1", time.Now()); d.To.Pod != "shop/web-abc-1" {
		t.Errorf("%+v", d)
	}
	before := time.Now()
	time.Sleep(time.Millisecond)
	mail <- Mail{Events: []graph.Event{graph.PodGone{Key: policy.Key{Namespace: "shop", Name: "cli-abc-1"}},
		pod("next-abc-1", "10.2.0.1", "n2"),
		graph.PodGone{Key: policy.Key{Namespace: "shop", Name: "web-abc-1"}}}}
	eventually(t, "another pod has the address", func() bool {
		return named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now()).From.Pod == "shop/next-abc-1"
	})
	d := named(t, c, chain, "10.2.0.1", "10.1.0.1", before)
	if d.From.String() != "shop/cli-abc-1" || d.To.String() != "shop/web-abc-1" ||
		!slices.Equal(d.IsolatedBy, []string{"shop/deny"}) {
		t.Errorf("before the pods went: %+v", d)
	}
	if d := named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now()); d.To.String() !=
		"shop/web-abc-1 (gone)" {
		t.Errorf("after it: %+v", d)
	}
	list, err := c.Subjects(t.Context(), []ruleset.ChainID{chain})
	if want := (drops.Subject{Direction: ruleset.Ingress, Namespace: "shop", Workload: "web"}); err != nil ||
		list[0] != want {
		t.Errorf("%v, %v", list, err)
	}
}

// While the loop is at something else, who asks it is told so in time.
func TestBusyLoopNamesNothing(t *testing.T) {
	c := New(Config{Node: "n1", Firewall: &kernel{}})
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := c.Name(ctx, make([]drops.Line, 1)); err == nil {
		t.Error("a loop that does not run has answered")
	}
}

// A tenant can have any number of policies for one pod, and of rules that say the same. What is kept
// of them for minutes, of a denied packet and of a pod that is gone, is small, and says how many
// there are.
func TestKeptNamesAreBounded(t *testing.T) {
	const count, most = 300, 10 << 10
	mail := make(script)
	c := start(t, Config{Source: mail, Firewall: &kernel{}})
	key := policy.Key{Namespace: "shop", Name: "web"}
	events := []graph.Event{graph.NamespaceSet{Namespace: policy.Namespace{Name: "shop"}},
		graph.PodSet{Pod: policy.Pod{Key: key, Node: "n1",
			Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}}}
	port := networkingv1.NetworkPolicyPort{Port: &intstr.IntOrString{IntVal: 80}}
	for i := range count {
		np := &networkingv1.NetworkPolicy{}
		np.Namespace, np.Name = "shop", fmt.Sprintf("%s%04d", strings.Repeat("x", 249), i)
		np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
			Ports: []networkingv1.NetworkPolicyPort{port},
			From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{
				CIDR: "192.0.2.0/24"}}}}}
		events = append(events, graph.PolicySet{Policy: policy.Parse(np)})
	}
	mail <- Mail{Synced: true, Events: events}
	chain := ruleset.NewChainID(ruleset.Ingress, key.Namespace, key.Name)
	eventually(t, "isolated", func() bool {
		return len(named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now()).IsolatedBy) > 0
	})
	small := func(d drops.Drop) {
		t.Helper()
		text, err := json.Marshal(d)
		if err != nil || len(text) > 2*most || cap(d.IsolatedBy) > 20 ||
			len(d.IsolatedBy)+d.MorePolicies != count {
			t.Errorf("%d bytes, room for %d names, %d more: %v", len(text), cap(d.IsolatedBy),
				d.MorePolicies, err)
		}
	}
	d := named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now())
	small(d)
	if len(d.Nearest) > most || !strings.HasSuffix(d.Nearest, ", and 280 others") {
		t.Errorf("the nearest rules are a text of %d bytes", len(d.Nearest))
	}
	mail <- Mail{Events: []graph.Event{graph.PodGone{Key: key}}}
	eventually(t, "gone", func() bool {
		d = named(t, c, chain, "10.2.0.1", "10.1.0.1", time.Now())
		return d.To.Gone
	})
	small(d)
	if err := c.visit(t.Context(), func() {
		if was, is := c.former.chains.Last(chain, time.Now()); !is || cap(was.policies) > 20 {
			t.Errorf("%v, there is room for %d names", is, cap(was.policies))
		}
	}); err != nil {
		t.Error(err)
	}
}
