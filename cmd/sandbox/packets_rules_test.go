package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// What the rules of policies mean, on packets: one cluster goes from scene to scene.
func TestRulesOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, s := range slices.Concat(ruleScenes(), peerScenes()) {
		t.Run(s.name, func(t *testing.T) { r.play(t, s) })
	}
}

// trio is two pods of one node and one of another.
const trio = `a/web n1 app=web http:80/TCP dns:53/UDP
	a/cli n1 app=cli
	a/far n2 app=far`

func ruleScenes() []scene {
	return []scene{
		{name: "a port name that no pod has matches nothing", pods: trio,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: nope}]}]}`,
				`a/out {podSelector: {matchLabels: {app: far}}, policyTypes: [Egress], egress: [{ports: [{port: nope}]}]}`,
				`a/block {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}]}`},
			flows: `deny a/cli > a/web TCP 80
				deny a/cli > a/web UDP 53
				deny a/far > a/web TCP 80
				deny a/far > a/cli TCP 80
				deny a/cli > a/far TCP 80
				deny a/cli > out TCP 80
				allow a/web > a/cli TCP 80`},
		{name: "a port name means other numbers in other pods",
			pods: `a/one n1 app=web http:80/TCP
				a/two n1 app=web http:8080/TCP
				a/three n2 app=web http:8081/TCP http-udp:80/UDP
				a/cli n1 app=cli
				a/far n2 app=cli`,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}]}]}`,
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}]}]}`},
			flows: `allow a/cli > a/one TCP 80
				deny a/cli > a/one TCP 8080
				deny a/cli > a/two TCP 80
				allow a/cli > a/two TCP 8080
				allow a/far > a/two TCP 8080
				deny a/far > a/two TCP 80
				allow a/cli > a/three TCP 8081
				deny a/one > a/three TCP 80
				deny a/one > a/three UDP 80
				deny a/cli > a/three UDP 8081
				deny a/cli > a/far TCP 80`},
		{name: "a native sidecar's ports have names, an init container's have not", pods: trio,
			change: withSidecar,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: metrics}, {port: setup}]}]}`},
			flows: `allow a/cli > a/web TCP 9090
				allow a/far > a/web TCP 9090
				deny a/cli > a/web TCP 7000
				deny a/cli > a/web TCP 80`},
		{name: "an except takes away from its own block only", pods: trio,
			policies: []string{`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [
				{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.1.0/24]}}, {ipBlock: {cidr: 10.244.1.0/28}},
				{ipBlock: {cidr: "fd00:10:244::/48", except: ["fd00:10:244:2::/64"]}}, {ipBlock: {cidr: "2000::/3", except: ["2001:db8::/32"]}}]}]}`},
			flows: `allow a/cli > a/web TCP 80
				allow a/far > a/web@4 TCP 80
				deny a/far > a/web@6 TCP 80
				allow a/cli > a/web PING
				deny out > a/web TCP 80`},
		{name: "a block and its own except", pods: trio,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.244.1.0/24, except: [10.244.1.0/24]}}, {ipBlock: {cidr: "fd00:10:244:1::/64", except: ["fd00:10:244:1::/64"]}}]}]}`,
				`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{from: [
					{ipBlock: {cidr: 10.0.0.0/8, except: [10.244.1.0/24]}}, {ipBlock: {cidr: 10.244.1.0/24}},
					{ipBlock: {cidr: "fd00::/8", except: ["fd00:10:244:1::/64"]}}, {ipBlock: {cidr: "fd00:10:244:1::/64"}}]}]}`},
			flows: `deny a/cli > a/web TCP 80
				deny a/far > a/web TCP 80
				allow a/cli > a/far TCP 80
				allow a/web > a/far UDP 53
				deny out > a/far TCP 80`},
		{name: "blocks that overlap", pods: trio,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16}}, {ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: 10.244.1.0/24}},
					{ipBlock: {cidr: 10.244.1.3/32}}, {ipBlock: {cidr: "fd00::/8"}}, {ipBlock: {cidr: "fd00:10::/32"}}, {ipBlock: {cidr: 8.8.8.7/30, except: [8.8.8.8/31]}}]}]}`,
				`a/in2 {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.244.2.0/25}}, {ipBlock: {cidr: 10.244.2.0/24}}], ports: [{port: 80}]}]}`},
			flows: `allow a/cli > a/web TCP 80
				allow a/far > a/web TCP 80
				allow a/far > a/web UDP 53
				deny out > a/web TCP 80`},
		{name: "DNS over IPv6 under a denial", pods: trio,
			policies: []string{
				`a/out {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}`,
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 53, protocol: UDP}]}]}`},
			flows: `allow a/cli > a/web@6 UDP 53
				allow a/far > a/web@6 UDP 53
				allow a/cli > a/web@4 UDP 53
				deny a/cli > a/web TCP 53
				deny a/cli > a/web UDP 54
				deny a/cli > a/web PING
				allow a/cli > out UDP 53`},
		{name: "what one pod may send, another need not accept", pods: trio,
			policies: []string{
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}`,
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`,
				`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{ports: [{port: 80}]}]}`},
			flows: `deny a/cli > a/web TCP 80
				deny a/cli > a/web PING
				allow a/cli > a/far TCP 80
				deny a/cli > a/far TCP 81
				deny a/far > a/web UDP 53
				allow a/web > a/cli TCP 80`},
		{name: "namespace a policy bc and namespace ab policy c",
			pods: `a/bc n1
				ab/c n1
				a/b-c n1 app=x
				a-b/c n2`,
			policies: []string{
				`a/bc {podSelector: {}, ingress: [{ports: [{port: 80}]}]}`,
				`ab/c {podSelector: {}, ingress: [{ports: [{port: 81}]}]}`,
				`a-b/c {podSelector: {}, ingress: []}`},
			flows: `allow ab/c > a/bc TCP 80
				deny ab/c > a/bc TCP 81
				allow a/bc > ab/c TCP 81
				deny a/bc > ab/c TCP 80
				allow a/bc > a/b-c TCP 80
				deny a/bc > a-b/c TCP 80`},
		{name: "names as long as Kubernetes admits", pods: longPods(),
			policies: []string{
				ns63 + `/` + strings.Repeat("long.", 50) + `one {podSelector: {matchLabels: {` +
					longKey + `: ` + label63 +
					`}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: ` + longKey +
					`, operator: DoesNotExist}]}}], ports: [{port: 80}]}]}`,
				ns63 + `/` + strings.Repeat("long.", 50) + `two {podSelector: {matchLabels: {` +
					longKey + `: ` + label63 +
					`}}, ingress: [{ports: [{port: fifteen-letters}]}]}`},
			flows: strings.NewReplacer("ONE", ns63+"/"+long253+"1", "TWO", ns63+"/"+long253+"2", "CLI", ns63+"/cli").Replace(`
				allow CLI > ONE TCP 80
				deny ONE > TWO TCP 80
				allow ONE > TWO TCP 8080
				allow TWO > ONE TCP 8443
				deny CLI > TWO TCP 8443`)},
		{name: "an empty list and an absent one allow nothing",
			pods: `a/empty n1 app=empty
				a/nil n1 app=nil
				a/all n1 app=all
				a/cli n2`,
			policies: []string{
				`a/empty {podSelector: {matchLabels: {app: empty}}, policyTypes: [Ingress, Egress], ingress: [], egress: []}`,
				`a/nil {podSelector: {matchLabels: {app: nil}}, policyTypes: [Ingress, Egress]}`,
				`a/all {podSelector: {matchLabels: {app: all}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`},
			flows: `deny a/cli > a/empty TCP 80
				deny a/cli > a/nil TCP 80
				deny a/all > a/nil UDP 80
				deny a/empty > a/cli TCP 80
				deny a/nil > a/cli TCP 80
				deny a/nil > a/all PING
				allow a/cli > a/all TCP 80
				allow a/all > a/cli PING
				allow out > a/all UDP 80`},
		{name: "a policy that selects a hostNetwork pod isolates no node",
			pods: trio + `
				a/host n1 app=host host`,
			policies: []string{
				`a/deny {podSelector: {matchLabels: {app: host}}, policyTypes: [Ingress, Egress]}`},
			flows: `allow a/far > n1 TCP 80
				allow n1 > a/far TCP 80
				allow a/web > n1 TCP 80
				allow n1 > a/web UDP 53
				allow out > n1 TCP 80`},
		{name: "a hostNetwork pod is no peer of a selector",
			pods: trio + `
				a/host n2 app=host host`,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}`},
			flows: `deny n2 > a/web TCP 80
				allow n1 > a/web TCP 80
				allow a/far > a/web TCP 80`},
		{name: "ping passes by rules without ports only", pods: trio,
			policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}]},
					{from: [{podSelector: {matchLabels: {app: far}}}], ports: [{protocol: TCP}, {protocol: UDP}]}]}`},
			flows: `allow a/cli > a/web PING
				deny a/far > a/web PING
				allow a/far > a/web TCP 81
				allow a/far > a/web UDP 81
				deny out > a/web PING
				allow a/web > a/far PING`},
	}
}

// withSidecar gives a/web an init container that ends and one that stays.
func withSidecar(w *oracle.World) {
	always := corev1.ContainerRestartPolicyAlways
	w.Pods[0].Spec.InitContainers = []corev1.Container{
		{Name: "setup", Ports: []corev1.ContainerPort{{Name: "setup", ContainerPort: 7000}}},
		{Name: "sidecar", RestartPolicy: &always, Ports: []corev1.ContainerPort{
			{Name: "metrics", ContainerPort: 9090}}},
	}
}

var (
	ns63    = strings.Repeat("n", 63)
	label63 = strings.Repeat("v", 63)
	longKey = strings.Repeat("sub.", 62) + "local/" + strings.Repeat("k", 63)
	long253 = strings.Repeat("pod.", 63) // and a digit: they differ only at the end
)

func longPods() string {
	return ns63 + "/" + long253 + "1 n1 " + longKey + "=" + label63 +
		" fifteen-letters:8443/TCP\n" +
		ns63 + "/" + long253 + "2 n1 " + longKey + "=" + label63 + " fifteen-letters:8080/TCP\n" +
		ns63 + "/cli n2"
}
