package ask_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset/policy"
)

func ownedBy(name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{Kind: "StatefulSet", Name: name, Controller: &yes}}
}

// parse reads an object.
func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	var o T
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

func shop(t *testing.T) *ask.Cluster {
	owner := func(kind, name string) string {
		return "ownerReferences: [{kind: " + kind + ", name: " + name + ", controller: true}]"
	}
	pods := []*corev1.Pod{
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: api-5f-a, labels: {app: api,
 pod-template-hash: 5f}, `+owner("ReplicaSet", "api-5f")+`}, spec: {nodeName: n1, containers: [{
 ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]}]},
 status: {podIP: 10.0.1.1}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: api-5f-b, labels: {app: api,
 pod-template-hash: 5f}, `+owner("ReplicaSet", "api-5f")+`}, spec: {nodeName: n2, containers: [{
 ports: [{name: http, containerPort: 80}]}]}, status: {podIP: 10.0.2.1}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: tick-28000000-x, `+
			owner("Job", "tick-28000000")+`}, spec: {nodeName: n2}, status: {podIP: 10.0.2.2}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: backup-5f-a, labels: {
 pod-template-hash: 5f}, `+owner("ReplicaSet", "backup-5f")+`}, spec: {nodeName: n1},
 status: {podIP: 10.0.1.7}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: backup-28000000-x, `+
			owner("Job", "backup-28000000")+`}, spec: {nodeName: n2}, status: {podIP: 10.0.2.7}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: backup-r, `+
			owner("Rollout", "backup")+`}, spec: {nodeName: n2}, status: {podIP: 10.0.2.8}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: dns, name: dns, labels: {app: dns}}, spec: {nodeName: n1,
 containers: [{ports: [{name: dns, containerPort: 53, protocol: UDP}]}]},
 status: {podIPs: [{ip: 10.0.1.3}, {ip: 'fd00::3'}]}}`),
	}
	pods = append(pods, parse[corev1.Pod](t, `{metadata: {namespace: dns, name: two}, spec: {nodeName: n1,
 containers: [{ports: [{name: x, containerPort: 80, protocol: UDP}]},
 {ports: [{name: x, containerPort: 81}]}]}, status: {podIP: 10.0.1.8}}`))
	// These cannot be asked about.
	pods = append(pods, parse[corev1.Pod](t, `{metadata: {namespace: shop, name: new}, status: {phase: Pending}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: done-1, `+owner("Job", "done")+`},
 status: {phase: Succeeded, podIP: 10.0.1.9}}`))
	services := []*corev1.Service{parse[corev1.Service](t, `{metadata: {namespace: shop, name: web},
 spec: {selector: {app: api}, ports: [{name: web, port: 443, targetPort: http}]}}`)}
	services = append(services, parse[corev1.Service](t, `{metadata: {namespace: dns, name: kube-dns},
 spec: {selector: {app: dns}, ports: [{name: dns, port: 53, protocol: UDP},
 {name: dns-tcp, port: 53}, {name: doq, port: 853, protocol: UDP}]}}`))
	nodes := []*corev1.Node{parse[corev1.Node](t, `{metadata: {name: n1},
 status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}`)}
	return ask.New(policy.Objects{Pods: pods, Nodes: nodes}, services)
}

// A name means a pod, a workload, a Service, a node or an address; the port is a number or a name.
func TestTarget(t *testing.T) {
	c := shop(t)
	for _, row := range []struct{ text, want string }{
		{"shop/api-5f-a:8080", "shop/api-5f-a tcp/8080"},
		{"api-5f-a:8080", "shop/api-5f-a tcp/8080"},
		{"deploy/api:9090/udp", "shop/api (Deployment) udp/9090 udp/9090 udp/9090"},
		{"shop/deploy/api:http", "shop/api (Deployment) http tcp/8080 tcp/80"},
		{"shop/api:8080", "shop/api (Deployment) tcp/8080 tcp/8080 tcp/8080"},
		{"shop/cronjob/tick/icmp", "shop/tick (CronJob) icmp"},
		{"shop/svc/web:443", "shop/web (Service) 443 tcp/8080 tcp/80"},
		{"shop/web", "shop/web (Service)  tcp/8080 tcp/80"},
		{"dns/dns", "dns/dns udp/53"},
		{"dns/dns:dns", "dns/dns udp/53"},
		{"dns/svc/kube-dns:53", "dns/kube-dns (Service) tcp/53"},
		{"dns/svc/kube-dns:53/udp", "dns/kube-dns (Service) udp/53"},
		{"dns/svc/kube-dns:dns", "dns/kube-dns (Service) udp/53"},
		{"dns/svc/kube-dns:853", "dns/kube-dns (Service) udp/853"},
		{"dns/two:x", "dns/two tcp/81"},
		{"dns/two:x/udp", "dns/two udp/80"},
		{"10.0.1.3:53/udp", "dns/dns udp/53"},
		{"[fd00::3]:53/udp", "dns/dns udp/53"},
		{"[fd00::9]:80", "fd00::9 tcp/80"},
		{"fd00::9/icmp", "fd00::9 icmp"},
		{"node/n1:22", "node/n1 tcp/22"},
		{"internet:443", "internet tcp/443"},
		{"shop/api-5f-a", "! the port is missing; it declares tcp/8080 http, tcp/9090 metrics"},
		{"shop/api-5f-a:web", `! no port is named "web"`},
		{"shop/api-5f-a:0", `! no port is named "0"`},
		{"shop/svc/web:80", `! the Service has no port "80"; it has: 443 web`},
		{"shop/tick:80", "shop/tick (CronJob) tcp/80"},
		{"shop/backup:80", `! "shop/backup" is shop/backup (CronJob) and shop/backup (Deployment) and ` +
			`shop/backup (Rollout); expected one of them: shop/cronjob/backup, shop/deployment/backup, ` +
			`shop/rollout/backup`},
		{"shop/cronjob/backup:80", "shop/backup (CronJob) tcp/80"},
		{"shop/deploy/backup:80", "shop/backup (Deployment) tcp/80"},
		{"shop/rollout/backup:80", "shop/backup (Rollout) tcp/80"},
		{"shop/rollout/tick:80", `! "rollout" is no kind of workload`},
		{"shop/backup-r:80", "shop/backup-r tcp/80"},
		{"shpo/api:80", "! namespace shpo: not found; meant shop?"},
		{"shop/apo:80", "! pod, workload or Service shop/apo: not found; meant api?"},
		{"shop/new:80", "! pod shop/new has no address yet (Pending); expected one that has"},
		{"shop/pod/new:80", "! pod shop/new has no address yet (Pending); expected one that has"},
		{"shop/deploy/new:80", "! Deployment shop/new: not found"},
		{"shop/done-1:80", "! pod shop/done-1 has ended (Succeeded); expected one that runs"},
		{"shop/job/done:80", "! pod shop/done-1 has ended (Succeeded); expected one that runs"},
		{"shop/deploy/tick:80", "! Deployment shop/tick: not found"},
		{"node/n7:80", "! node n7: not found; meant n1?"},
		{"shop/thing/api:80", `! "thing" is no kind of workload`},
		{"shop/api:", `! "shop/api:": expected a port behind the colon`},
		{"internet:http", `! port "http": expected a number`},
	} {
		target, err := c.Target(row.text, "shop")
		got := target.Name + " " + target.Port
		for _, a := range target.Asks {
			if len(target.Asks) > 1 {
				got += " " + a.Port.String()
			}
		}
		if want, fails := strings.CutPrefix(row.want, "! "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", row.text, err, want)
			}
		} else if err != nil || got != row.want {
			t.Errorf("%s: %q (%v), want %q", row.text, got, err, row.want)
		}
	}
}
