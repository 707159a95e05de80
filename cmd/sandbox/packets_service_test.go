package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// services is what a service proxy sets up: addresses and ports that stand for a pod.
//
//	10.96.0.1  fd96::1  80  → a/web 8080
//	10.96.0.2  fd96::2  80  → a/far 8080
//	each node           30080 → a/web 8080, its client's address kept
//	each node           30081 → a/far 8080, with the node's address where it is another's pod
//
// As with kube-proxy a pod that reaches itself this way appears as its node.
func services() string {
	var b strings.Builder
	for _, f := range []struct{ word, table, web, far, vip1, vip2, node string }{
		{"ip", "ip", "10.244.1.2", "10.244.2.4", "10.96.0.1", "10.96.0.2", "10.77.0.0/24"},
		{"ip6", "ip6", "[fd00:10:244:1::2]", "[fd00:10:244:2::4]", "fd96::1", "fd96::2",
			"fd77::/64"},
	} {
		rules := ""
		for _, to := range []struct {
			match, pod string
		}{{"daddr " + f.vip1 + " %s dport 80", f.web}, {"daddr " + f.vip2 + " %s dport 80", f.far},
			{"daddr " + f.node + " %s dport 30080", f.web},
			{"daddr " + f.node + " %s dport 30081", f.far}} {
			for _, proto := range []string{"tcp", "udp"} {
				rules += fmt.Sprintf("%s "+to.match+" dnat to %s:8080\n", f.word, proto, to.pod)
			}
		}
		web, far := strings.Trim(f.web, "[]"), strings.Trim(f.far, "[]")
		fmt.Fprintf(&b, `table %[1]s services {
			chain prerouting { type nat hook prerouting priority dstnat; %[2]s }
			chain output { type nat hook output priority -100; %[2]s }
			chain postrouting { type nat hook postrouting priority srcnat
				%[3]s saddr %[4]s %[3]s daddr %[4]s masquerade
				%[3]s saddr %[5]s %[3]s daddr %[5]s masquerade
				oifname eth0 ct original %[3]s daddr %[6]s masquerade
			}
		}
		`, f.table, rules, f.word, web, far, f.node)
	}
	return b.String()
}

// nft feeds a script to the nft program on a node.
func (r *rig) nft(node, script string) error {
	return r.runInNode(node, script, exec.Command("nft", "-f", "-"))
}

// runInNode feeds a script to a program on a node, and waits until it has ended.
func (r *rig) runInNode(node, script string, cmd *exec.Cmd) error {
	var text bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &text, &text
	if err := r.StartInNode(node, cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, text.String())
	}
	return nil
}

// needNft skips a test where the nft program is missing. With REQUIRE_KERNEL=1 that is a failure.
func needNft(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("nft")
	switch {
	case err == nil:
	case !errors.Is(err, exec.ErrNotFound), os.Getenv("REQUIRE_KERNEL") == "1":
		t.Fatal(err)
	default:
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
}

// serviceRow is who asks for what, and who may answer.
type serviceRow struct {
	verdict, from, to string
	port              int32
	addrs             []string
}

var (
	webService = []string{"10.96.0.1", "fd96::1"}
	farService = []string{"10.96.0.2", "fd96::2"}
	node1      = []string{"10.77.0.11", "fd77::11"}
)

// What a Service turns into a pod is decided as that pod's, on the segment and across nodes: by the
// port that the pod listens on, and not by the Service's address.
func TestServicesOnRealPackets(t *testing.T) {
	needNft(t)
	r := newRig(t, rigOptions{})
	for node := range r.agents {
		r.must(r.nft(node, services()))
	}
	r.playServices(t, append(serviceScenes(), keptScenes()...))
}

// playServices goes from scene to scene and asks for Services in both protocols.
func (r *rig) playServices(t *testing.T, scenes []serviceScene) {
	t.Helper()
	for _, row := range scenes {
		t.Run(row.name, func(t *testing.T) {
			r.play(t, row.setting)
			var questions []question
			for _, s := range row.rows {
				for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
					r.must(errors.Join(r.Serve("a/web", engineProtocol(proto), 8080),
						r.Serve("a/far", engineProtocol(proto), 8080)))
					for _, q := range byHand(s.verdict == "allow", s.from, "", proto, s.port,
						s.addrs...) {
						q.to = s.to
						questions = append(questions, q)
					}
				}
			}
			r.expect(r.told, questions)
		})
	}
}

type serviceScene struct {
	setting
	rows []serviceRow
}

func serviceScenes() []serviceScene {
	return []serviceScene{
		{setting{name: "no policy", pods: trio}, []serviceRow{
			{"allow", "a/cli", "a/web", 80, webService},
			{"allow", "a/cli", "a/far", 80, farService},
			{"allow", "a/far", "a/web", 80, webService},
			{"allow", "a/web", "a/web", 80, webService},
			{"allow", "a/far", "a/far", 80, farService},
			{"allow", "host/n1", "a/web", 80, webService},
			{"allow", "host/out", "a/web", 30080, node1},
			{"allow", "host/out", "a/far", 30081, node1},
		}},
		{closed.named("nobody but itself and its own node"), []serviceRow{
			{"deny", "a/cli", "a/web", 80, webService},
			{"deny", "a/cli", "a/far", 80, farService},
			{"deny", "a/far", "a/web", 80, webService},
			{"allow", "a/web", "a/web", 80, webService},
			{"allow", "a/far", "a/far", 80, farService},
			{"allow", "host/n1", "a/web", 80, webService},
			{"deny", "host/n1", "a/far", 80, farService},
			{"deny", "a/cli", "a/web", 30080, node1},
			{"deny", "host/out", "a/web", 30080, node1},
			{"deny", "host/out", "a/far", 30081, node1},
		}},
		{setting{name: "by the pod and its port", pods: trio, policies: []string{
			`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}], ports: [{port: 8080}, {port: 8080, protocol: UDP}]}]}`,
			`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{ports: [{port: 80}, {port: 80, protocol: UDP}]}]}`,
		}}, []serviceRow{
			{"allow", "a/cli", "a/web", 80, webService},
			{"deny", "a/far", "a/web", 80, webService},
			{"deny", "a/cli", "a/far", 80, farService},
			{"allow", "a/cli", "a/web", 30080, node1},
			{"deny", "host/out", "a/web", 30080, node1},
		}},
		{setting{name: "the Service's address means nothing", pods: trio, policies: []string{
			`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}, {ipBlock: {cidr: "fd96::/16"}}, {podSelector: {matchLabels: {app: web}}}]}]}`,
		}}, []serviceRow{
			{"allow", "a/cli", "a/web", 80, webService},
			{"deny", "a/cli", "a/far", 80, farService},
		}},
		{setting{name: "a NodePort's client by its own address, or the first node's", pods: trio,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}, {ipBlock: {cidr: "2001:db8::1/128"}}]}]}`,
				`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [{ipBlock: {cidr: 10.77.0.11/32}}, {ipBlock: {cidr: "fd77::11/128"}}]}]}`,
			}}, []serviceRow{
			{"allow", "host/out", "a/web", 30080, node1},
			{"deny", "host/n2", "a/web", 30080, node1},
			{"allow", "host/out", "a/far", 30081, node1},
			{"deny", "host/out", "a/far", 30081, []string{"10.77.0.12", "fd77::12"}},
			{"allow", "a/cli", "a/far", 30081, node1},
		}},
		{setting{name: "a pod at a NodePort of its own node counts as that elsewhere", pods: trio,
			policies: []string{
				`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [{podSelector: {}}]}]}`,
			}}, []serviceRow{
			{"deny", "a/cli", "a/far", 30081, node1},
		}},
	}
}

// keptScenes are about clients that keep their address at a Service.
func keptScenes() []serviceScene {
	return []serviceScene{
		{setting{name: "by the address of its own node", pods: trio, policies: []string{
			`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [{ipBlock: {cidr: 10.77.0.11/32}}, {ipBlock: {cidr: "fd77::11/128"}}]}]}`,
		}}, []serviceRow{{"deny", "a/cli", "a/far", 80, farService}}},
		{setting{name: "by its labels", pods: trio, policies: []string{
			`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [{podSelector: {}}]}]}`,
		}}, []serviceRow{{"allow", "a/cli", "a/far", 80, farService}}},
	}
}

// A client whose packet a Service translated is told at once, too: by an ICMP error, since a reset
// would come from the pod's address, which the client does not know.
func TestRejectThroughServicesOnRealPackets(t *testing.T) {
	needNft(t)
	r := newRig(t, rigOptions{denial: ruleset.Reject})
	for _, node := range []string{"n1", "n2"} {
		r.must(r.nft(node, services()))
	}
	r.play(t, closed)
	r.allRefused()
}

// allRefused asks for Services where nobody may have anything, and wants to be told at once.
func (r *rig) allRefused() {
	r.t.Helper()
	var denied []question
	for _, row := range []struct {
		from string
		port int32
		to   []string
	}{{"a/cli", 80, webService}, {"a/cli", 80, farService}, {"a/far", 80, webService},
		{"host/out", 30080, node1}} {
		for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
			denied = append(denied, byHand(false, row.from, "", proto, row.port, row.to...)...)
		}
	}
	began := time.Now()
	for i, got := range r.answers(denied, patience) {
		if got != sandbox.Refused {
			r.t.Errorf("%s: %s", denied[i], got)
		}
	}
	if took := time.Since(began); took > patience/4 {
		r.t.Errorf("answers took %v", took)
	}
}
