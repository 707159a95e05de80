package samplecluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// spec is the part of a policy that a recipe makes.
type spec = networkingv1.NetworkPolicySpec

// recipes are what a policy of an application may say, and of 20 policies how many do. The counts
// are a guess: most speak of few others of their own namespace, few of everybody.
var recipes = []struct {
	of20 int
	make func(*draft, application) spec
}{
	{9, (*draft).clients},
	{4, (*draft).exposed},
	{3, (*draft).uses},
	{2, (*draft).foreigners},
	{1, (*draft).outside},
	{1, (*draft).everywhere},
}

// policies makes those of the namespaces first, then those of the applications, until there are as
// many as were asked for.
func (d *draft) policies() []*networkingv1.NetworkPolicy {
	var list []*networkingv1.NetworkPolicy
	add := func(s namespace, name string, spec spec) {
		if len(list) < d.size.Policies {
			meta := metav1.ObjectMeta{Namespace: s.name, Name: name}
			list = append(list, &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: spec})
		}
	}
	for _, s := range d.spaces {
		add(s, "default-deny", spec{PolicyTypes: []networkingv1.PolicyType{
			networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress,
		}})
		add(s, "allow-dns", d.resolves())
		add(s, "allow-monitoring", d.scraped())
	}
	for i, at := range d.rand.Perm(len(d.apps)) {
		a := d.apps[at]
		add(d.spaces[a.space], "allow-"+a.name, recipe(i)(d, a))
	}
	for i := 0; len(list) < d.size.Policies; i++ {
		a := d.apps[d.rand.IntN(len(d.apps))]
		add(d.spaces[a.space], fmt.Sprintf("also-%s-%d", a.name, i), recipe(i)(d, a))
	}
	return list
}

// recipe picks a recipe by number, so that clusters of all sizes use each for the same share of
// policies.
func recipe(i int) func(*draft, application) spec {
	at := i * 7 % 20
	for _, r := range recipes {
		if at -= r.of20; at < 0 {
			return r.make
		}
	}
	return recipes[0].make
}

// chosen selects the pods of an application by their label app.
func chosen(a application) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"app": a.name}}
}

// inNamespace selects a namespace by the label that Kubernetes gives every namespace, its name.
func inNamespace(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

// ports returns numbers or names of ports as a policy lists them, all of one protocol.
func ports(protocol corev1.Protocol, list ...intstr.IntOrString) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for _, port := range list {
		ports = append(ports, networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &port})
	}
	return ports
}

// receives is a policy by which some peers reach one TCP port of the selected pods. It allows
// nothing else to them.
func receives(a metav1.LabelSelector, port intstr.IntOrString,
	from ...networkingv1.NetworkPolicyPeer) spec {
	return spec{PodSelector: a, Ingress: []networkingv1.NetworkPolicyIngressRule{
		{From: from, Ports: ports(corev1.ProtocolTCP, port)},
	}}
}

// sends is a policy by which the selected pods reach some ports of some peers. It allows nothing
// else from them.
func sends(a metav1.LabelSelector, ports []networkingv1.NetworkPolicyPort,
	to ...networkingv1.NetworkPolicyPeer) spec {
	return spec{
		PodSelector: a, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{{To: to, Ports: ports}},
	}
}

// peer selects an application in the namespace of the policy.
func peer(a application) networkingv1.NetworkPolicyPeer {
	selector := chosen(a)
	return networkingv1.NetworkPolicyPeer{PodSelector: &selector}
}

// distant selects an application from any namespace.
func (d *draft) distant(a application) networkingv1.NetworkPolicyPeer {
	p := peer(a)
	p.NamespaceSelector = inNamespace(d.spaces[a.space].name)
	return p
}

// neighbour draws an application of the same namespace.
func (d *draft) neighbour(a application) application {
	apps := d.spaces[a.space].apps
	return d.apps[apps[d.rand.IntN(len(apps))]]
}

// resolves lets all pods of a namespace ask the DNS.
func (d *draft) resolves() spec {
	port := intstr.FromInt32(53)
	both := append(ports(corev1.ProtocolUDP, port), ports(corev1.ProtocolTCP, port)...)
	return sends(metav1.LabelSelector{}, both, d.distant(d.apps[dns]))
}

// scraped lets Prometheus read the metrics of all pods of a namespace.
func (d *draft) scraped() spec {
	return receives(metav1.LabelSelector{}, intstr.FromString("metrics"),
		d.distant(d.apps[prometheus]))
}

// clients lets one to three applications of the namespace reach it.
func (d *draft) clients(a application) spec {
	from := []networkingv1.NetworkPolicyPeer{peer(d.neighbour(a))}
	for range d.rand.IntN(3) {
		from = append(from, peer(d.neighbour(a)))
	}
	return receives(chosen(a), intstr.FromInt32(8080), from...)
}

// exposed lets the ingress controller reach it.
func (d *draft) exposed(a application) spec {
	return receives(chosen(a), intstr.FromString("http"), d.distant(d.apps[controller]))
}

// uses lets it reach another application of its namespace, and nothing else.
func (d *draft) uses(a application) spec {
	return sends(chosen(a), ports(corev1.ProtocolTCP, intstr.FromInt32(5432)), peer(d.neighbour(a)))
}

// foreigners lets an application of any namespace reach it.
func (d *draft) foreigners(a application) spec {
	return receives(chosen(a), intstr.FromInt32(8080), d.distant(d.apps[d.rand.IntN(len(d.apps))]))
}

// outside lets it reach what is not in the cluster.
func (d *draft) outside(a application) spec {
	return sends(chosen(a), ports(corev1.ProtocolTCP, intstr.FromInt32(443)),
		networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{
			CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"},
		}})
}

// everywhere lets all pods of the cluster reach it.
func (d *draft) everywhere(a application) spec {
	return receives(chosen(a), intstr.FromInt32(8080),
		networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}})
}
