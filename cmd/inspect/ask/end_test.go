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
	pods = append(pods, parse[corev1.Pod](t, `{metadata: {namespace: db, name: db-0, labels: {app: db}}, spec: {nodeName: n1,
 containers: [{ports: [{containerPort: 5432}, {name: pg, containerPort: 5432}]},
 {ports: [{name: sql, containerPort: 5432}, {name: stats, containerPort: 9187}]}]},
 status: {podIPs: [{ip: 10.0.1.4}, {ip: 'fd00::4'}]}}`))
	// These cannot be asked about.
	pods = append(pods, parse[corev1.Pod](t, `{metadata: {namespace: shop, name: new}, status: {phase: Pending}}`),
		parse[corev1.Pod](t, `{metadata: {namespace: shop, name: done-1, `+owner("Job", "done")+`},
 status: {phase: Succeeded, podIP: 10.0.1.9}}`))
	services := []*corev1.Service{parse[corev1.Service](t, `{metadata: {namespace: shop, name: web},
 spec: {selector: {app: api}, ports: [{name: web, port: 443, targetPort: http}]}}`)}
	services = append(services, parse[corev1.Service](t, `{metadata: {namespace: dns, name: kube-dns},
 spec: {selector: {app: dns}, ports: [{name: dns, port: 53, protocol: UDP},
 {name: dns-tcp, port: 53}, {name: doq, port: 853, protocol: UDP}]}}`))
	for _, text := range []string{
		`{metadata: {namespace: dns, name: six}, spec: {clusterIPs: [10.96.0.10, 'fd96::a'], selector: {app: dns},
 ports: [{port: 53, protocol: UDP}]}, status: {loadBalancer: {ingress: [{ip: 8.8.8.8}]}}}`,
		`{metadata: {namespace: shop, name: old}, spec: {clusterIP: 10.96.0.11, selector: {app: api}, ports: [{port: 80,
 targetPort: http}]}}`,
		`{metadata: {namespace: shop, name: manual}, spec: {clusterIP: 10.96.0.1, ports: [{port: 443}]}}`,
		`{metadata: {namespace: shop, name: ext}, spec: {type: ExternalName, selector: {app: api}, ports: [{port: 80}]}}`,
		`{metadata: {namespace: shop, name: idle}, spec: {selector: {app: idle}, ports: [{port: 80}]}}`,
		`{metadata: {namespace: db, name: db}, spec: {clusterIP: None, selector: {app: db},
 ports: [{name: pg, port: 80, targetPort: 5432}]}}`,
		`{metadata: {namespace: db, name: listed}, spec: {clusterIPs: [None], selector: {app: db},
 ports: [{name: pg, port: 80, targetPort: sql}, {name: dns, port: 53, protocol: UDP}]}}`,
	} {
		services = append(services, parse[corev1.Service](t, text))
	}
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
		{"shop/api-5f-a:0", `! port "0": expected a number from 1 to 65535`},
		{"shop/api-5f-a:80800", `! port "80800": expected a number from 1 to 65535`},
		{"shop/svc/web:80800", `! port "80800": expected a number from 1 to 65535`},
		{"internet:80800/udp", `! port "80800": expected a number from 1 to 65535`},
		{"shop/api-5f-a:http/udp", `! no udp port is named "http"; expected a number, or one of: tcp/8080 http, `},
		{"shop/api-5f-a:80/foo", `! protocol "foo": expected tcp, udp, sctp or icmp`},
		{"shop/api-5f-a:80/", `! protocol "": expected tcp, udp, sctp or icmp`},
		{"shop/api-5f-a:80/icmp", `! icmp has no ports; expected TO/icmp`},
		{"shop/api-5f-a/ICMP", "shop/api-5f-a icmp"},
		{"shop/svc/web:80", `! the Service has no port 80; it has: tcp/443 web`},
		{"shop/svc/web:443/udp", `! the Service has no port 443/udp; it has: tcp/443 web`},
		{"shop/svc/web:http", `! the Service has no port http; it has: tcp/443 web`},
		{"dns/svc/kube-dns", `! the port is missing; the Service has: udp/53 dns, tcp/53 dns-tcp, udp/853 doq`},
		{"shop/svc/ext:80", "! service shop/ext is of type ExternalName"},
		{"shop/svc/manual:443", "! service shop/manual has no selector"},
		{"shop/svc/idle:80", "! service shop/idle leads to no pod here"},
		{"10.96.0.10:53/udp", "dns/six (Service) udp/53"},
		{"[fd96::a]:53", "dns/six (Service) udp/53"},
		{"10.96.0.11:80", "shop/old (Service) 80 tcp/8080 tcp/80"},
		{"10.96.0.11:81", "! the Service has no port 81; it has: tcp/80"},
		{"10.96.0.1:443", "! 10.96.0.1: service shop/manual has no selector"},
		{"8.8.8.8:53/udp", "8.8.8.8 udp/53"},
		{"db/svc/db:80", "db/db (Service) tcp/80"},
		{"db/svc/db", "db/db (Service) tcp/80"},
		{"db/svc/db:5432", "db/db (Service) tcp/5432"},
		{"db/svc/db:81/udp", "db/db (Service) udp/81"},
		{"db/svc/db:pg", "db/db (Service) tcp/5432"},
		{"db/svc/listed:53", "db/listed (Service) udp/53"},
		{"db/svc/listed:80", "db/listed (Service) tcp/80"},
		{"db/svc/listed:sql", "! the Service has no port sql; it has: tcp/80 pg, udp/53 dns"},
		{"db/db-0:pg", "db/db-0 tcp/5432"},
		{"db/db-0:sql", "db/db-0 tcp/5432"},
		{"db/db-0:stats", "db/db-0 tcp/9187"},
		{"db/db-0", "! it declares tcp/5432 pg sql, tcp/9187 stats"},
		{"db-0:80", "! pod, workload or Service shop/db-0: not found; expected NAMESPACE/NAME, or -n"},
		{"svc/kube-dns:53", "! Service shop/kube-dns: not found; expected NAMESPACE/NAME, or -n"},
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

// What is no name of the namespace that counts where none is given says how to give one, and a
// misspelt name does not.
func TestNamesWithoutNamespace(t *testing.T) {
	c := shop(t)
	for namespace, want := range map[string]string{
		"default": "namespace default: not found; expected NAMESPACE/NAME, or -n",
		"dns":     "pod, workload or Service dns/api: not found; expected NAMESPACE/NAME, or -n",
	} {
		if _, err := c.End("api", namespace); err == nil || err.Error() != want {
			t.Errorf("api in %s: %v, want %s", namespace, err, want)
		}
	}
	if _, err := c.End("apo", "shop"); err == nil || strings.Contains(err.Error(), "-n") {
		t.Errorf("apo in shop: %v", err)
	}
}

// Packets to a Service's address go to its pods at their addresses of the same family; who sends
// from the address is no pod.
func TestAddressesOfServices(t *testing.T) {
	c := shop(t)
	for text, want := range map[string]string{"10.96.0.10:53/udp": "10.0.1.3", "[fd96::a]:53/udp": "fd00::3"} {
		to, err := c.Target(text, "")
		if err != nil {
			t.Fatal(err)
		}
		if addrs := to.Asks[0].Addrs; len(addrs) != 1 || addrs[0].String() != want {
			t.Errorf("%s: %v, want %s", text, addrs, want)
		}
	}
	from, err := c.End("10.96.0.10", "")
	if err != nil || from.Service != nil || len(from.Pods) > 0 {
		t.Errorf("from 10.96.0.10: %+v, %v", from, err)
	}
	pod, _ := c.Pod(policy.Key{Namespace: "dns", Name: "dns"})
	if len(pod.Addrs) != 2 {
		t.Errorf("the pod itself has only %v", pod.Addrs)
	}
}

// A port with several names is listed once.
func TestPortsAreListedOnce(t *testing.T) {
	pod, _ := shop(t).Pod(policy.Key{Namespace: "db", Name: "db-0"})
	if len(pod.Ports) != 2 || len(pod.Named()) != 4 {
		t.Errorf("%v, with names %v", pod.Ports, pod.Named())
	}
}
