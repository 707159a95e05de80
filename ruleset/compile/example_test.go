package compile_test

import (
	"fmt"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// The policy allows one address to reach the pod web; nobody else may.
func ExampleCompile() {
	var object networkingv1.NetworkPolicy
	object.Namespace, object.Name = "shop", "office"
	object.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		From: []networkingv1.NetworkPolicyPeer{{
			IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.7/32"},
		}},
	}}
	web := policy.Pod{
		Key:   policy.Key{Namespace: "shop", Name: "web"},
		Node:  "node-1",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.5")},
	}
	program, problems := compile.Compile(compile.Snapshot{
		Node: "node-1", Pods: []policy.Pod{web}, Policies: []*policy.Policy{policy.Parse(&object)},
	})
	fmt.Print(program)
	fmt.Println(len(problems), "problems")

	for _, from := range []string{"192.0.2.7", "192.0.2.8"} {
		flow := ruleset.Flow{
			From: netip.MustParseAddr(from), To: web.Addrs[0], Proto: ruleset.TCP, Port: 80,
		}
		verdict, _ := program.Decide(flow)
		fmt.Println(from, verdict)
	}
	// Output:
	// chain ingress/shop/web
	//   allow from 192.0.2.7/32 any                         # shop/office ingress[0]
	//   allow from 10.244.1.5/32 any                        # itself
	//   drop  # isolated by shop/office
	// dispatch ingress 10.244.1.5 -> ingress/shop/web
	// 0 problems
	// 192.0.2.7 allow
	// 192.0.2.8 deny
}
