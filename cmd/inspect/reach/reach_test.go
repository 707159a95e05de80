package reach_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

const worlds = 200

// opinion asks the oracle whether a pod reaches another one.
func opinion(w *oracle.World, from, to ask.Pod, port ask.Port) bool {
	proto := corev1.Protocol("")
	switch port.Protocol {
	case ruleset.TCP:
		proto = corev1.ProtocolTCP
	case ruleset.UDP:
		proto = corev1.ProtocolUDP
	case ruleset.SCTP:
		proto = corev1.ProtocolSCTP
	}
	flows := ask.Flows(from.Addrs, to.Addrs, port)
	for _, f := range flows {
		if !w.Allowed(oracle.Flow{From: f.From, To: f.To, Protocol: proto, Port: int32(f.Port)}) {
			return false
		}
	}
	return len(flows) > 0
}

// What WhoCan and From count is what the oracle says of every pod.
func TestCountsAreTheOracles(t *testing.T) {
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 22))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0})
		c := ask.New(policy.Objects(*w), nil)
		if len(c.Pods) == 0 {
			continue
		}
		p := c.Pods[r.IntN(len(c.Pods))]
		to, err := c.Target(p.Key.String()+":80", "")
		if err != nil {
			continue // two pods have one name
		}
		got := map[string]int{}
		for _, row := range reach.WhoCan(c, to).Workloads {
			got[row.Workload] = row.Pods
		}
		port := ask.Port{Protocol: ruleset.TCP, Number: 80}
		for _, from := range c.Pods {
			want := 0
			if opinion(w, from, p, port) {
				want = 1
			}
			if got[from.Workload.String()] != want {
				t.Fatalf("world %d: %s to %s: %d, the oracle says %d", seed, from.Key, p.Key,
					got[from.Workload.String()], want)
			}
		}
		checkFrom(t, w, c, p)
	}
}

// checkFrom compares what a pod reaches with what the oracle allows it.
func checkFrom(t *testing.T, w *oracle.World, c *ask.Cluster, p ask.Pod) {
	t.Helper()
	end, err := c.End(p.Key.String(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, row := range reach.From(c, end).Workloads {
		got[row.Workload] = row.Ports
	}
	for _, to := range c.Pods {
		asked := to.Ports
		if len(asked) == 0 {
			asked = rulesPorts(w)
		}
		var want []string
		for _, port := range append([]ask.Port{{}}, asked...) {
			if opinion(w, p, to, port) {
				want = append(want, nameOf(port))
			}
		}
		ports := got[to.Workload.String()]
		every := len(ports) > 0 && ports[0] == reach.EveryPort
		if every != slices.Contains(want, reach.Other) || (len(ports) > 0) != (len(want) > 0) {
			t.Fatalf("%s to %s: %v, the oracle says %v", p.Key, to.Key, ports, want)
		}
		for _, port := range ports {
			if !every && !strings.HasPrefix(port, "every") && !slices.Contains(want, port) {
				t.Fatalf("%s to %s: %v, the oracle says %v", p.Key, to.Key, ports, want)
			}
		}
		if !every && len(to.Ports) > 0 && len(ports) != len(want) {
			t.Fatalf("%s to %s: %v, the oracle says %v", p.Key, to.Key, ports, want)
		}
	}
}

// rulesPorts returns both ends of all ports that policies name by number.
func rulesPorts(w *oracle.World) []ask.Port {
	none := *w
	none.Policies = nil
	return namedPorts(w, &none)
}

// read reads manifests as the verbs do.
func read(t *testing.T, text string) *ask.Cluster {
	t.Helper()
	in, err := inspect.Read(manifests.Input{Texts: []manifests.Text{{Name: "x", YAML: []byte(text)}}})
	if err == nil {
		err = in.Complete()
	}
	if err != nil || len(in.Problems) > 0 {
		t.Fatal(err, in.Problems)
	}
	return ask.New(in.Objects, in.Services)
}

// pod is a pod of namespace a with its name as its label.
func pod(name, spec string) string {
	return fmt.Sprintf("\n---\napiVersion: v1\nkind: Pod\n"+
		"metadata: {name: %s, namespace: a, labels: {app: %s}}\nspec: {%s}\n", name, name, spec)
}

// isolates is a policy of namespace a for the pods of a label.
func isolates(name, app, spec string) string {
	return fmt.Sprintf("\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"+
		"metadata: {name: %s, namespace: a}\nspec: {podSelector: {matchLabels: {%s}}, %s}\n", name, app,
		spec)
}

const (
	service = "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: a}\n" +
		"spec: {selector: {app: db}, ports: [{port: 80, targetPort: 6379}, {port: 53, protocol: UDP}]}\n"
	replicas = "\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: a}\n" +
		"spec: {replicas: 2, template: {metadata: {labels: {app: db}}, " +
		"spec: {containers: [{name: c, ports: [{containerPort: 1}, {containerPort: 2}]}]}}}\n"
	toDB = "egress: [{to: [{podSelector: {matchLabels: {app: db}}}]"
)

// What a pod is reached on is told of the pods that it is true of, and does not depend on what they
// declare; what allows it is what does.
func TestReachedPorts(t *testing.T) {
	onePort := "app: db, statefulset.kubernetes.io/pod-name: "
	for what, c := range map[string]struct {
		files, want string
	}{
		"replicas with other ports": {replicas +
			isolates("x", onePort+"db-0", "ingress: [{ports: [{port: 1}]}]") +
			isolates("z", onePort+"db-1", "ingress: [{ports: [{port: 2}]}]"),
			"2 of 2 tcp/1,tcp/2 by x ingress[0],z ingress[0] (1 tcp/1 by x ingress[0]) " +
				"(1 tcp/2 by z ingress[0])"},
		"one replica is free": {replicas +
			isolates("x", onePort+"db-0", "ingress: [{ports: [{port: 1}]}]"),
			"2 of 2 every port,tcp/1 by x ingress[0],not isolated (1 tcp/1 by x ingress[0]) " +
				"(1 every port by not isolated)"},
		"replicas alike": {replicas +
			isolates("x", "app: db", "ingress: [{ports: [{port: 1}, {port: 2}]}]"),
			"2 of 2 tcp/1,tcp/2 by x ingress[0]"},
		"a port of a rule for ingress": {pod("db", "") +
			isolates("x", "app: db", "ingress: [{ports: [{port: 7}]}]"),
			"1 of 1 tcp/7 by x ingress[0]"},
		"a port of a rule for egress": {pod("db", "") + isolates("x", "app: web",
			"policyTypes: [Egress], "+toDB+", ports: [{port: 7, endPort: 9}]}]"),
			"1 of 1 tcp/7,tcp/9 by x egress[0]"},
		"a port of egress to everybody": {pod("db", "") + isolates("x", "app: web",
			"policyTypes: [Egress], egress: [{ports: [{port: 7}]}]"), "1 of 1 tcp/7 by x egress[0]"},
		"what both directions have in common": {pod("db", "") + isolates("x", "app: web",
			"policyTypes: [Egress], "+toDB+", ports: [{port: 7, endPort: 9}]}]") +
			isolates("z", "app: db", "ingress: [{ports: [{port: 8, endPort: 10}]}]"),
			"1 of 1 tcp/8,tcp/9 by x egress[0]"},
		"a port of a Service": {pod("db", "") + service + isolates("x", "app: db",
			"ingress: [{ports: [{port: 6000, endPort: 7000}]}]"),
			"1 of 1 tcp/6000,tcp/6379,tcp/7000 by x ingress[0]"},
		"all of a protocol": {pod("db", "") + service + isolates("x", "app: db",
			"ingress: [{ports: [{protocol: TCP}]}]"), "1 of 1 every tcp port by x ingress[0]"},
		"declared ports alone": {pod("db", "containers: [{name: c, ports: [{containerPort: 1}]}]") +
			isolates("x", "app: db", "ingress: [{ports: [{port: 1}, {port: 7}]}]"),
			"1 of 1 tcp/1 by x ingress[0]"},
		"nothing": {pod("db", "") + service + isolates("x", "app: db", "ingress: []"), ""},
	} {
		cluster := read(t, pod("web", "")+c.files)
		from, err := cluster.End("a/web", "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		r := reach.From(cluster, from)
		for _, row := range r.Workloads {
			if !strings.HasPrefix(row.Workload, "a/db") {
				continue
			}
			text := func(ports, by []string) string {
				return strings.Join(ports, ",") + " by " + strings.Join(by, ",")
			}
			got = fmt.Sprintf("%d of %d %s", row.Pods, row.Of, text(row.Ports, row.AllowedBy))
			for _, part := range row.Parts {
				got += fmt.Sprintf(" (%d %s)", part.Pods, text(part.Ports, part.AllowedBy))
			}
		}
		if got != c.want || c.want != "" && r.Nothing() {
			t.Errorf("%s: %q, expected %q", what, got, c.want)
		}
	}
}

// The matrix asks workloads that declare no port about those that are meant, and says whether a
// workload has pairs of its own pods.
func TestMatrixOfUndeclaredPorts(t *testing.T) {
	for what, c := range map[string]struct {
		files, want string
		own         int
	}{
		"nobody means a port": {pod("db", ""), "other", 0},
		"a Service does":      {pod("db", "") + service, "udp/53 tcp/6379", 0},
		"a rule for it does": {pod("db", "") + isolates("x", "app: db",
			"ingress: [{ports: [{port: 7}]}]"), "tcp/7", 0},
		"a rule for egress to it does": {pod("db", "") + isolates("x", "app: web",
			"policyTypes: [Egress], "+toDB+", ports: [{port: 7}]}]"), "tcp/7", 0},
		"a rule for egress to everybody does not": {pod("db", "") + isolates("x", "app: web",
			"policyTypes: [Egress], egress: [{ports: [{port: 7}]}]"), "other", 0},
		"it declares some": {replicas + isolates("x", "app: db", "ingress: [{ports: [{port: 7}]}]"),
			"tcp/1 tcp/2", 2},
	} {
		var ports []string
		for _, s := range reach.Workloads(read(t, pod("web", "")+c.files), reach.Limits{}).Targets {
			if strings.HasPrefix(s.To, "a/db") {
				ports = append(ports, s.Port)
				if s.OwnPairs != c.own {
					t.Errorf("%s: %d pairs of its own, expected %d", what, s.OwnPairs, c.own)
				}
			}
		}
		if got := strings.Join(ports, " "); got != c.want {
			t.Errorf("%s: %q, expected %q", what, got, c.want)
		}
	}
}

// What allows a sender is named, in whichever direction it is.
func TestWhoCanSaysWhy(t *testing.T) {
	const web = "policyTypes: [Egress], egress: [{ports: [{port: 443}]}]"
	const audit = "\n---\napiVersion: v1\nkind: Namespace\n" +
		"metadata: {name: a, annotations: {picket.dev/audit: \"true\"}}\n"
	for what, c := range map[string]struct{ files, to, want string }{
		"a rule for egress":    {isolates("x", "app: web", web), ask.Internet + ":443", "x egress[0]"},
		"of one that is free":  {"", ask.Internet + ":443", reach.NotIsolated},
		"egress to a free pod": {pod("db", "") + isolates("x", "app: web", web), "a/db:443", "x egress[0]"},
		"both directions": {pod("db", "") + isolates("x", "app: web", web) +
			isolates("z", "app: db", "ingress: [{}]"), "a/db:443", "z ingress[0]"},
		"its own node": {isolates("x", "app: web", "policyTypes: [Egress]"), "node/node-1:443", "its own node"},
		"what an audit would do": {audit + pod("db", "") +
			isolates("x", "app: db", "ingress: []"), "a/db:443", reach.Audited},
	} {
		cluster := read(t, pod("web", "")+c.files)
		to, err := cluster.Target(c.to, "")
		if err != nil {
			t.Fatal(what, err)
		}
		a := reach.WhoCan(cluster, to)
		is := func(r reach.Row) bool { return r.Workload == "a/web" }
		i := slices.IndexFunc(a.Workloads, is)
		if i < 0 || strings.Join(a.Workloads[i].AllowedBy, ",") != c.want {
			t.Errorf("%s: %+v, expected %q", what, a.Workloads, c.want)
		}
		if c.want == reach.Audited && !slices.Equal(a.Outside[0].AllowedBy, []string{reach.Audited}) {
			t.Errorf("%s: outside: %+v", what, a.Outside)
		}
	}
}

// Of peers that no pod is, it is said where pods on their nodes' network have the labels, and where
// the labels of namespaces are not known.
func TestUnusedPeers(t *testing.T) {
	const name = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
	for peer, want := range map[string]string{
		"podSelector: {matchLabels: {app: none}}":             "",
		"podSelector: {matchLabels: {app: proxy}}":            "a/proxy has the labels",
		"namespaceSelector: {matchLabels: {team: x}}":         "their labels are not known: a",
		name + "kube-system}}":                                "are not known: kube-system",
		name + "ingress}}":                                    "no Namespace here has",
		name + "a}}, podSelector: {matchLabels: {app: none}}": "",
	} {
		cluster := read(t, pod("db", "")+pod("proxy", "hostNetwork: true")+
			isolates("x", "app: db", "ingress: [{from: [{"+peer+"}]}]"))
		to, err := cluster.Target("a/db:80", "")
		if err != nil {
			t.Fatal(err)
		}
		a := reach.WhoCan(cluster, to)
		if len(a.Unused) != 1 || len(a.UnusedWhy) != 1 || !strings.Contains(a.UnusedWhy[0], want) ||
			want == "" && a.UnusedWhy[0] != "" {
			t.Errorf("%s: %q, %q, expected %q", peer, a.Unused, a.UnusedWhy, want)
		}
	}
}
