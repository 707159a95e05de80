package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// text prints a plan, a node or pod a line.
func (b *plan) text() string {
	var text strings.Builder
	for _, n := range b.nodes {
		fmt.Fprintf(&text, "%s: %s in %s\n", n.Name, join(n.Addrs), join(n.PodCIDRs))
	}
	for _, p := range b.pods {
		host := ""
		if p.hostNetwork {
			host = " (host)"
		}
		fmt.Fprintf(&text, "%s%s on %s: %s %s\n", p.Name, host, p.Node, join(p.Addrs),
			join(p.ports))
	}
	for _, note := range b.notes {
		fmt.Fprintf(&text, "note: %s\n", note)
	}
	return text.String()
}

// object is a manifest; the rest of it are its fields, divided by semicolons.
func object(kind, name, rest string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: %s\nmetadata: {name: %s}\n%s\n", kind, name,
		strings.ReplaceAll(rest, "; ", "\n"))
}

func objectsOf(t *testing.T, manifests string) policy.Objects {
	t.Helper()
	flags := input.Flags{Paths: []string{folder(t, map[string]string{"x.yaml": manifests})}}
	in, err := flags.Read(nil)
	if err != nil || len(in.Problems) > 0 {
		t.Fatal(err, in.Problems)
	}
	return in.Objects
}

const bothNodes = "node-1: 10.77.0.1 fd77::1 in 10.244.1.0/24 fd00:10:244:1::/64\n" +
	"node-2: 10.77.0.2 fd77::2 in 10.244.2.0/24 fd00:10:244:2::/64\n"

var plans = []struct{ name, manifests, want string }{
	{
		"nothing is stated: two nodes, pods in turn",
		object("Pod", "b", "") + object("Pod", "a", "") + object("Pod", "c", ""),
		bothNodes + "default/a on node-1: 10.244.1.2 fd00:10:244:1::2 tcp/80\n" +
			"default/b on node-2: 10.244.2.2 fd00:10:244:2::2 tcp/80\n" +
			"default/c on node-1: 10.244.1.3 fd00:10:244:1::3 tcp/80\n",
	}, {
		"spec.nodeName: those nodes and no other",
		object("Pod", "a", "spec: {nodeName: x1}") + object("Pod", "b", ""),
		"x1: 10.77.0.1 fd77::1 in 10.244.1.0/24 fd00:10:244:1::/64\n" +
			"default/a on x1: 10.244.1.2 fd00:10:244:1::2 tcp/80\n" +
			"default/b on x1: 10.244.1.3 fd00:10:244:1::3 tcp/80\n",
	}, {
		"a Node without anything, and a node that only a pod names",
		object("Node", "n1", "") + object("Pod", "a", "spec: {nodeName: m1}"),
		"n1: 10.77.0.1 fd77::1 in 10.244.1.0/24 fd00:10:244:1::/64\n" +
			"m1: 10.77.0.2 fd77::2 in 10.244.2.0/24 fd00:10:244:2::/64\n" +
			"default/a on m1: 10.244.2.2 fd00:10:244:2::2 tcp/80\n",
	}, {
		"a Node with one family: its ranges and pods have that",
		object("Node", "n1", "status: {addresses: [{type: Hostname, address: host}, {type: "+
			"InternalIP, address: 192.0.2.1}]}") + object("Pod", "a", ""),
		"n1: 192.0.2.1 in 10.244.1.0/24\ndefault/a on n1: 10.244.1.2 tcp/80\n",
	}, {
		"internal addresses before external ones, one a family",
		object("Node", "n1", "status: {addresses: [{type: ExternalIP, address: 198.51.100.1}, "+
			"{type: ExternalIP, address: 2001:db8::1}, "+
			"{type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: 192.0.2.2}]}; "+
			"spec: {podCIDR: 10.1.0.0/24}") + object("Pod", "a", ""),
		"n1: 192.0.2.1 2001:db8::1 in 10.1.0.0/24\ndefault/a on n1: 10.1.0.2 tcp/80\n",
	}, {
		"status.hostIP names the node's address",
		object("Pod", "a", "spec: {nodeName: n1}; status: {hostIP: 192.0.2.7, podIP: 10.1.0.5}") +
			object("Pod", "b", "spec: {nodeName: n1}"),
		"n1: 192.0.2.7 in 10.244.1.0/24\ndefault/a on n1: 10.1.0.5 tcp/80\n" +
			"default/b on n1: 10.244.1.2 tcp/80\n",
	}, {
		"what is stated is avoided: a node's address, a range, an address in a range of another " +
			"node, a gateway",
		object("Node", "n1", "spec: {podCIDRs: [10.244.1.0/24]}; status: {addresses: [{type: "+
			"InternalIP, address: 10.77.0.1}]}") +
			object("Pod", "a", "spec: {nodeName: n1}; status: {podIP: 10.244.2.9}") +
			object("Pod", "b", "spec: {nodeName: m1}; status: {podIP: 10.244.3.1}") +
			object("Pod", "c", "spec: {nodeName: m1}"),
		"n1: 10.77.0.1 in 10.244.1.0/24\n" +
			"m1: 10.77.0.2 fd77::1 in 10.244.4.0/24 fd00:10:244:4::/64\n" +
			"default/a on n1: 10.244.2.9 tcp/80\ndefault/b on m1: 10.244.3.1 tcp/80\n" +
			"default/c on m1: 10.244.4.2 fd00:10:244:4::2 tcp/80\n",
	}, {
		"addresses say where pods belong: a range around its node's pods, a pod to the node " +
			"whose range it is in",
		object("Pod", "a", "spec: {nodeName: n1}; status: {podIP: 10.244.2.9}") +
			object("Pod", "b", "spec: {nodeName: m1}; status: {podIP: 10.244.1.9}") +
			object("Node", "z1", "spec: {podCIDRs: [10.244.7.0/24]}") +
			object("Pod", "c", "status: {podIP: 10.244.7.3}"),
		"z1: 10.77.0.1 fd77::1 in 10.244.7.0/24\n" +
			"m1: 10.77.0.2 fd77::2 in 10.244.1.0/24 fd00:10:244:1::/64\n" +
			"n1: 10.77.0.3 fd77::3 in 10.244.2.0/24 fd00:10:244:2::/64\n" +
			"default/a on n1: 10.244.2.9 tcp/80\ndefault/b on m1: 10.244.1.9 tcp/80\n" +
			"default/c on z1: 10.244.7.3 tcp/80\n",
	}, {
		"ports: declared ones, sorted, once, without SCTP; native sidecars count, other init " +
			"containers do not",
		object("Pod", "a", "spec: {containers: [{name: c, ports: [{containerPort: 90, protocol: "+
			"UDP}, {containerPort: 90}, {containerPort: 9, protocol: SCTP}]}, "+
			"{name: d, ports: [{containerPort: 90}]}], initContainers: [{name: i, ports: "+
			"[{containerPort: 91}]}, {name: s, restartPolicy: Always, ports: "+
			"[{containerPort: 92}]}]}") +
			object("Pod", "b",
				"spec: {containers: [{name: c, ports: [{containerPort: 9, protocol: SCTP}]}]}"),
		bothNodes + "default/a on node-1: 10.244.1.2 fd00:10:244:1::2 tcp/90 udp/90 tcp/92\n" +
			"default/b on node-2: 10.244.2.2 fd00:10:244:2::2 tcp/80\n",
	}, {
		"hostNetwork: the node's addresses, each of its ports once",
		object("Pod", "a", "spec: {nodeName: n1, hostNetwork: true}") +
			object("Pod", "b", "spec: {nodeName: n1, hostNetwork: true}"),
		"n1: 10.77.0.1 fd77::1 in 10.244.1.0/24 fd00:10:244:1::/64\n" +
			"default/a (host) on n1: 10.77.0.1 fd77::1 tcp/80\n" +
			"default/b (host) on n1: 10.77.0.1 fd77::1 \n" +
			"note: default/b does not serve tcp/80: default/a has this port of n1\n",
	}, {
		"hostNetwork: a stated address is the node's",
		object("Pod", "a", "spec: {nodeName: n1, hostNetwork: true}; status: {podIP: 192.0.2.7}"),
		"n1: 192.0.2.7 in 10.244.1.0/24\ndefault/a (host) on n1: 192.0.2.7 tcp/80\n",
	}, {
		"status.phase: finished pods are left out, and their addresses are free",
		object("Pod", "a", "status: {phase: Succeeded, podIP: 10.244.1.2}") +
			object("Pod", "b", "status: {phase: Failed}") +
			object("Pod", "c", "status: {phase: Pending}"),
		bothNodes + "default/c on node-1: 10.244.1.2 fd00:10:244:1::2 tcp/80\n",
	},
}

func TestPlan(t *testing.T) {
	for _, row := range plans {
		t.Run(row.name, func(t *testing.T) {
			stated := objectsOf(t, row.manifests)
			b, err := newPlan(stated, ruleset.Families[:])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, b.text()); diff != "" {
				t.Error(diff)
			}
			ignoreQuantities := cmpopts.IgnoreUnexported(resource.Quantity{})
			if diff := cmp.Diff(objectsOf(t, row.manifests), stated, ignoreQuantities); diff != "" {
				t.Errorf("the objects were changed: %s", diff)
			}
			again, err := newPlan(b.objects, ruleset.Families[:])
			if err != nil || again.madeUp || again.text() != b.text() {
				t.Errorf("what is complete is not: %v, %t\n%s", err, again.madeUp, again.text())
			}
		})
	}
}

func TestPlanWithoutIPv6(t *testing.T) {
	manifests := object("Node", "n1",
		"spec: {podCIDRs: [10.1.0.0/24, 'fd01::/64']}; status: {addresses: [{type: InternalIP, "+
			"address: 192.0.2.1}, {type: InternalIP, address: 'fd02::1'}]}") +
		object("Pod", "a", "status: {podIPs: [{ip: 10.1.0.5}, {ip: 'fd01::5'}]}") +
		object("Pod", "b", "status: {podIP: 'fd01::6'}") + object("Pod", "c", "")
	b, err := newPlan(objectsOf(t, manifests), []ruleset.Family{ruleset.IPv4})
	if err != nil {
		t.Fatal(err)
	}
	want := "n1: 192.0.2.1 in 10.1.0.0/24\ndefault/a on n1: 10.1.0.5 tcp/80\n" +
		"default/c on n1: 10.1.0.2 tcp/80\n" +
		"note: default/b is left out: this machine has no IPv6, and the pod has nothing else\n"
	if diff := cmp.Diff(want, b.text()); diff != "" {
		t.Error(diff)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, row := range []struct{ name, manifests, want string }{
		{"hostNetwork", object("Node", "n1",
			"status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}") +
			object("Pod", "a", "spec: {hostNetwork: true}; status: {podIP: 192.0.2.2}"),
			"pod default/a: 192.0.2.2: expected an address of node n1, whose network it uses"},
		{"full range", object("Node", "n1", "spec: {podCIDRs: [10.0.0.0/30]}") +
			object("Pod", "a", "") + object("Pod", "b", ""),
			"pod default/b: no address is left in 10.0.0.0/30, the range of node n1"},
		{"no node address", object("Node", "n1", "spec: {podCIDRs: [10.77.0.0/16, 'fd77::/48']}") +
			object("Node", "m1", "") + object("Pod", "a", ""),
			"node m1: the manifests leave no address free in [10.77.0.0/24 fd77::/112]; state " +
				"status.addresses"},
		{"no range", object("Node", "n1", "spec: {podCIDRs: [10.244.0.0/16]}") +
			object("Node", "m1", "") + object("Pod", "a", ""),
			"node m1: the manifests leave no range free for its pods; state spec.podCIDRs"},
	} {
		if _, err := newPlan(objectsOf(t, row.manifests), ruleset.Families[:]); err == nil ||
			err.Error() != row.want {
			t.Errorf("%s: %v, want %s", row.name, err, row.want)
		}
	}
}

// The demo is complete, and its bad policy changes nothing about who may reach whom.
func TestDemo(t *testing.T) {
	flags := input.Flags{Paths: []string{"../../../deploy/demo"}}
	in, err := flags.Read(nil)
	if err != nil || len(in.Problems) != 1 || len(in.Notes) > 0 {
		t.Fatal(err, in)
	}
	objects := in.Objects
	b, err := newPlan(objects, ruleset.Families[:])
	if err != nil || b.madeUp || len(b.notes) > 0 {
		t.Fatal(err, b)
	}
	with := b.trials(b.rules())
	b.objects.Policies = nil
	for _, p := range objects.Policies {
		if p.Name != "backend-from-office" {
			b.objects.Policies = append(b.objects.Policies, p)
		}
	}
	if without := b.trials(b.rules()); !slices.Equal(with, without) ||
		len(b.objects.Policies) != 4 {
		t.Errorf("%d policies: %v, with the bad one %v", len(b.objects.Policies), without, with)
	}
}
