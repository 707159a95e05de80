package policy_test

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

const webFromShop = `
metadata: {namespace: shop, name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: shop}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9]}
    ports: [{port: 80}, {port: 443}]
`

func Example() {
	var object networkingv1.NetworkPolicy
	if err := yaml.UnmarshalStrict([]byte(webFromShop), &object); err != nil {
		panic(err)
	}
	p := policy.Parse(&object)
	fmt.Println(p, "isolates", p.Subjects)
	for _, rule := range p.Rules[ruleset.Ingress] {
		fmt.Println("from", rule.Pods[0], "and", rule.Blocks, "to", rule.Ports)
	}

	shop := policy.ImpliedNamespace("shop")
	web := policy.Pod{Labels: map[string]string{"app": "web"}}
	fmt.Println("isolates web for ingress:", p.Enforces(web, shop, ruleset.Ingress))
	fmt.Println("isolates web for egress:", p.Enforces(web, shop, ruleset.Egress))
	// Output:
	// shop/web isolates pods app=web in namespace shop
	// from all pods in namespaces with team=shop and [10.128.0.0/9] to [{tcp [80 443]}]
	// isolates web for ingress: true
	// isolates web for egress: false
}

// What cannot be understood is a Problem and matches nothing. The policy goes on isolating
// its pods.
func ExampleParse_wrong() {
	var object networkingv1.NetworkPolicy
	object.Namespace, object.Name = "shop", "web"
	object.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		From: []networkingv1.NetworkPolicyPeer{{
			IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/33"},
		}},
	}}
	p := policy.Parse(&object)
	fmt.Println("isolates:", p.Isolates[ruleset.Ingress])
	fmt.Println("peers:", len(p.Rules[ruleset.Ingress][0].Blocks))
	fmt.Println(p.Problems[0].Field, "is wrong")
	// Output:
	// isolates: true
	// peers: 0
	// spec.ingress[0].from[0].ipBlock.cidr is wrong
}

func ExampleUnion() {
	var ranges []ruleset.Range
	for _, text := range []string{"10.0.1.0/24", "10.0.0.0/24", "10.0.1.128/25", "10.9.0.0/16"} {
		prefix, _ := policy.ParseCIDR(text)
		ranges = append(ranges, ruleset.RangeOf(prefix))
	}
	fmt.Println(policy.Union(ranges))
	// Output: [10.0.0.0/23 10.9.0.0/16]
}
