package smoke

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func (s *story) policies(t *testing.T) {
	s.under().comesTrue(t, s.all()...)
	near := pod(t, "shop", "near", "tcp", "8080") // to a client nothing is open, from anybody
	reach{"shop/web": nil, "shop/stranger-near": nil, "shop/far": nil, "other/guest": nil}.comesTrue(
		t, near)
}

func (s *story) labels(t *testing.T) {
	client := append(names(s.web...), names(s.dns...)...)
	must(t, "label", "-n", "shop", "pod", "stranger-far", "app=client", "--overwrite")
	s.under().with("shop/stranger-far", client...).comesTrue(t, s.all()...)
	must(t, "label", "-n", "shop", "pod", "stranger-far", "app=stranger", "--overwrite")
	s.under().comesTrue(t, s.all()...)
	must(t, "label", "namespace", "other", "team=friends")
	s.under().with("other/guest", client...).comesTrue(t, s.all()...)
	must(t, "label", "namespace", "other", "team-")
	s.under().comesTrue(t, s.all()...)
}

// churn makes clients that turn strangers and go, each with the address that the one before it may
// have had.
func (s *story) churn(t *testing.T) {
	for round := range 3 {
		name := fmt.Sprintf("passer-%d", round)
		must(t, "run", "-n", "shop", name, "--image=localhost/probe:e2e", "--labels=app=client",
			"--overrides", `{"spec":{"nodeName":"n1","terminationGracePeriodSeconds":0}}`, "--",
			"serve", "--tcp", "8080")
		must(t, "wait", "-n", "shop", "--for=condition=Ready", "pod/"+name, "--timeout=60s")
		reach{"shop/" + name: names(s.web...)}.comesTrue(t, s.web...)
		must(t, "label", "-n", "shop", "pod", name, "app=stranger", "--overwrite")
		reach{"shop/" + name: nil}.comesTrue(t, s.web...)
		must(t, "delete", "-n", "shop", "pod", name, "--wait")
	}
	s.under().comesTrue(t, s.all()...)
}

// nodePorts sees how a client from outside is seen: by its own address at the pod's node, by the
// address of the node in between at another one.
func (s *story) nodePorts(t *testing.T) {
	s.fromOutside(t, "")
	create(t, "apply", blockPolicy("outside", outsideAddresses(t)))
	s.fromOutside(t, "n1")
	create(t, "apply", blockPolicy("through-n2", append(nodeAddresses(t, "n2"),
		tunnelAddresses(t, "n2")...)))
	s.fromOutside(t, "n1 n2")
	must(t, "delete", "networkpolicy", "-n", "shop", "outside", "through-n2")
	s.fromOutside(t, "")
}

// fromOutside waits until the node port answers just at these nodes.
func (s *story) fromOutside(t *testing.T, open string) {
	t.Helper()
	eventually(t, 15*time.Second, func() error {
		for _, at := range s.ports {
			_, node, _ := strings.Cut(at.name, " at ")
			for _, target := range at.addresses {
				if err := knock(target); (err == nil) != strings.Contains(open, node) {
					return fmt.Errorf("from outside → %s (%s): %v", at.name, target, err)
				}
			}
		}
		return nil
	})
}

// knock opens a connection from the control host, which is no node.
func knock(target string) error {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(target, "tcp/"), 500*time.Millisecond)
	if err != nil {
		return err
	}
	return conn.Close()
}

// outsideAddresses are those of the host that the tests run on.
func outsideAddresses(t *testing.T) (list []string) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip := a.(*net.IPNet).IP; ip.IsGlobalUnicast() {
			list = append(list, ip.String())
		}
	}
	return list
}

// tunnelAddresses are those of a node's flannel.1, which it has for pods of other nodes where
// flannel uses vxlan: the first of each of its pod ranges.
func tunnelAddresses(t *testing.T, node string) (list []string) {
	t.Helper()
	var n corev1.Node
	get(t, &n, "node", node)
	for _, cidr := range n.Spec.PodCIDRs {
		first, _, _ := strings.Cut(cidr, "/")
		list = append(list, first)
	}
	return list
}

// blockPolicy lets addresses reach the web server.
func blockPolicy(name string, addresses []string) string {
	var from []string
	for _, a := range addresses {
		bits := 32
		if strings.Contains(a, ":") {
			bits = 128
		}
		from = append(from, fmt.Sprintf(`{ipBlock: {cidr: "%s/%d"}}`, a, bits))
	}
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %s, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [%s]}]}`, name, strings.Join(from, ", "))
}

// bad is reported where its author looks, and disturbs nobody.
func (s *story) bad(t *testing.T) {
	must(t, "apply", "-f", "testdata/bad.yaml")
	eventually(t, 15*time.Second, func() error {
		var events corev1.EventList
		get(t, &events, "events", "-n", "other", "--field-selector",
			"involvedObject.name=bad,type=Warning")
		if len(events.Items) != 1 || !strings.Contains(events.Items[0].Message,
			"spec.ingress[0].from[0].ipBlock.cidr") {
			return fmt.Errorf("%d warnings; expected one that names the field: %v",
				len(events.Items), events.Items)
		}
		return nil
	})
	t.Log(must(t, "events", "-n", "other", "--for", "networkpolicy/bad"))
	s.under().comesTrue(t, s.all()...)
	must(t, "delete", "-f", "testdata/bad.yaml")
}

func (s *story) policyDeleted(t *testing.T) {
	dns := names(s.dns...)
	must(t, "delete", "networkpolicy", "-n", "shop", "clients-to-web")
	s.under().with("shop/near", dns...).with("shop/far", dns...).comesTrue(t, s.all()...)
	must(t, "apply", "-f", "testdata/policies.yaml")
	s.under().comesTrue(t, s.all()...)
}
