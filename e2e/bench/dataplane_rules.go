package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// layout says how many policies select the server, and how many other pods there are. Each policy
// lets the pods of one role in: the i-th those of the i-th role, among which the pods are divided.
type layout struct {
	pods, policies int
	ownPorts       bool // each policy has a port of its own, else all have the same
}

func (l layout) String() string {
	if l.policies == 1 {
		return count(l.pods) + " pods, one policy"
	}
	return fmt.Sprintf("%s pods, %s policies", count(l.pods), count(l.policies))
}

func (l layout) role(i int) string { return fmt.Sprintf("r%d", i) }

// port is the port of the i-th policy.
func (l layout) port(i int) int {
	if l.ownPorts {
		return firstPort + i
	}
	return firstPort
}

// middle is the index of the policy that lets the client in.
func (l layout) middle() int { return l.policies / 2 }

// ruleLoad is a program that loads rules, with its arguments and its input.
type ruleLoad struct {
	args  []string
	input string
}

func (l ruleLoad) run() error {
	cmd := exec.Command(l.args[0], l.args[1:]...)
	cmd.Stdin = strings.NewReader(l.input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(l.args, " "), err, out)
	}
	return nil
}

func nftLoad(script string) ruleLoad { return ruleLoad{[]string{"nft", "-f", "-"}, script} }

// untracked hides every packet from conntrack, so that each is new to the rules.
var untracked = nftLoad(
	"table inet untracked { chain every { type filter hook prerouting priority raw; notrack; }; }\n")

// tracked lets pass what conntrack knows, and looks at nothing else.
var tracked = nftLoad(
	"table inet tracked { chain every { type filter hook forward priority filter; " +
		"ct state established accept; }; }\n")

// picketTable loads the node's table as Picket makes it, some times side by side.
func (l layout) picketTable(ctx context.Context, copies int) (ruleLoad, error) {
	script, err := render(ctx, planeNode, l.objects())
	var text strings.Builder
	for i := range copies {
		name := fmt.Sprintf("table inet picket%d", i)
		text.WriteString(strings.ReplaceAll(script, "table inet picket", name))
	}
	return nftLoad(text.String()), err
}

// objects are what the API would hold; without policies the server is not isolated.
func (l layout) objects() []any {
	client := l.role(l.middle())
	all := []any{
		nodeObject(planeNode),
		planePod("server", planeNode, "server", serverAddr),
		planePod("client", planeNode, client, clientAddr),
	}
	if l.pods > 0 {
		all = append(all, nodeObject("elsewhere"))
	}
	for i, addr := range numbered(l.pods) {
		role := l.role(i % max(1, l.policies))
		all = append(all, planePod(fmt.Sprintf("p%d", i), "elsewhere", role, addr))
	}
	for i := range l.policies {
		all = append(all, l.policy(i))
	}
	return all
}

func planePod(name, node, role string, addr netip.Addr) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: planeSpace, Name: name, Labels: map[string]string{"role": role},
		},
		Spec: corev1.PodSpec{
			NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: addr.String(),
			PodIPs: []corev1.PodIP{{IP: addr.String()}},
		},
	}
}

func withRole(role string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"role": role}}
}

func (l layout) policy(i int) *networkingv1.NetworkPolicy {
	peers := withRole(l.role(i))
	rule := networkingv1.NetworkPolicyIngressRule{
		From: []networkingv1.NetworkPolicyPeer{{PodSelector: &peers}},
	}
	for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		port := intstr.FromInt(l.port(i))
		rule.Ports = append(rule.Ports,
			networkingv1.NetworkPolicyPort{Protocol: &proto, Port: &port})
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: planeSpace, Name: fmt.Sprintf("p%04d", i)},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: withRole("server"), Ingress: []networkingv1.NetworkPolicyIngressRule{rule},
		},
	}
}
