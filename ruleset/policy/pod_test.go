package policy

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/ruleset"
)

// apiPod reads a pod as YAML without the lines that all have.
func apiPod(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	var p corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p.Namespace, p.Name = "a", "p"
	return &p
}

func TestNewPodAddresses(t *testing.T) {
	for _, row := range []struct{ name, pod, want string }{ // want "": the pod does not count
		{"status.podIPs", "{status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}}",
			"[10.0.0.1 fd00::1]"},
		{"status.podIP alone", "{status: {podIP: 10.0.0.1}}", "[10.0.0.1]"},
		{"status.podIPs alone, sorted", "{status: {podIPs: [{ip: 'fd00::1'}, {ip: 10.0.0.1}]}}",
			"[10.0.0.1 fd00::1]"},
		{"status.podIP is not among podIPs",
			"{status: {podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.1}]}}", "[10.0.0.1 10.0.0.2]"},
		{"one address in two spellings", "{status: {podIPs: [{ip: 'fd00:0::1'}, {ip: 'FD00::1'}]}}",
			"[fd00::1]"},
		{"leading zeros are decimal", "{status: {podIPs: [{ip: 010.0.0.08}, {ip: 'fd00::0001'}]}}",
			"[10.0.0.8 fd00::1]"},
		{"no address yet", "{status: {phase: Pending}}", ""},
		{"status.phase Pending with an address", "{status: {phase: Pending, podIP: 10.0.0.1}}",
			"[10.0.0.1]"},
		{"status.phase Running", "{status: {phase: Running, podIP: 10.0.0.1}}", "[10.0.0.1]"},
		{"status.phase Unknown", "{status: {phase: Unknown, podIP: 10.0.0.1}}", "[10.0.0.1]"},
		{"status.phase Succeeded", "{status: {phase: Succeeded, podIP: 10.0.0.1}}", ""},
		{"status.phase Failed", "{status: {phase: Failed, podIP: 10.0.0.1}}", ""},
		{"metadata.deletionTimestamp: counts until it is gone",
			"{metadata: {deletionTimestamp: '2025-01-01T00:00:00Z'}, status: {phase: Running, " +
				"podIP: 10.0.0.1}}", "[10.0.0.1]"},
		{"spec.hostNetwork",
			"{spec: {hostNetwork: true}, status: {phase: Running, podIP: 10.77.0.11}}", ""},
		{"an address that is none, beside one",
			"{status: {podIPs: [{ip: x}, {ip: 10.0.0.1}, {ip: 10.0.0.2/32}, {ip: ''}]}}",
			"[10.0.0.1]"},
		{"a zone", "{status: {podIP: 'fe80::1%eth0'}}", ""},
		{"IPv4 in the shape of IPv6", "{status: {podIP: '::ffff:10.0.0.1'}}", ""},
		{"loopback", "{status: {podIPs: [{ip: 127.0.0.1}, {ip: '::1'}]}}", ""},
		{"multicast", "{status: {podIPs: [{ip: 224.0.0.1}, {ip: 'ff02::1'}]}}", ""},
		{"unspecified", "{status: {podIPs: [{ip: 0.0.0.0}, {ip: '::'}]}}", ""},
		{"link-local", "{status: {podIPs: [{ip: 169.254.0.1}, {ip: 'fe80::1'}]}}",
			"[169.254.0.1 fe80::1]"},
	} {
		got, counts := NewPod(apiPod(t, row.pod))
		if counts != (row.want != "") || counts && fmt.Sprint(got.Addrs) != row.want {
			t.Errorf("%s: counts is %t, addresses %v, want %q", row.name, counts, got.Addrs,
				row.want)
		}
	}
}

func TestNewPodPorts(t *testing.T) {
	for _, row := range []struct{ name, spec, want string }{
		{"containers[].ports",
			"{containers: [{ports: [{name: web, containerPort: 80, protocol: TCP}]}]}",
			"[{web tcp 80}]"},
		{"protocol absent is TCP", "{containers: [{ports: [{name: web, containerPort: 80}]}]}",
			"[{web tcp 80}]"},
		{"without a name", "{containers: [{ports: [{containerPort: 80}]}]}", "[]"},
		{"one name, two protocols", "{containers: [{ports: [{name: dns, containerPort: 53, " +
			"protocol: UDP}, {name: dns, containerPort: 53}]}]}", "[{dns tcp 53} {dns udp 53}]"},
		{"one name, two numbers, in two containers",
			"{containers: [{ports: [{name: web, containerPort: 81}]}, {ports: [{name: web, " +
				"containerPort: 80}]}]}", "[{web tcp 80} {web tcp 81}]"},
		{"the same twice", "{containers: [{ports: [{name: web, containerPort: 80}]}, {ports: " +
			"[{name: web, containerPort: 80, protocol: TCP}]}]}", "[{web tcp 80}]"},
		{"a native sidecar", "{initContainers: [{restartPolicy: Always, ports: [{name: metrics, " +
			"containerPort: 9090}]}]}", "[{metrics tcp 9090}]"},
		{"an init container that ends", "{initContainers: [{ports: [{name: setup, containerPort: " +
			"7000}]}]}", "[]"},
		{"an init container with another restartPolicy",
			"{initContainers: [{restartPolicy: OnFailure, ports: [{name: setup, containerPort: 7000}]}]}", "[]"},
		{"a sidecar beside a container of the same name",
			"{containers: [{ports: [{name: web, containerPort: 80}]}], initContainers: " +
				"[{restartPolicy: Always, ports: [{name: web, containerPort: 15000}]}]}",
			"[{web tcp 80} {web tcp 15000}]"},
		{"SCTP", "{containers: [{ports: [{name: s, containerPort: 65535, protocol: SCTP}]}]}",
			"[{s sctp 65535}]"},
		{"wrong ones", "{containers: [{ports: [{name: a, containerPort: 0}, {name: b, " +
			"containerPort: 65536}, {name: c, containerPort: -1}, {name: d, containerPort: 1, " +
			"protocol: tcp}]}]}", "[]"},
	} {
		got, counts := NewPod(apiPod(t, "{status: {podIP: 10.0.0.1}, spec: "+row.spec+"}"))
		if !counts || fmt.Sprint(got.Ports) != row.want {
			t.Errorf("%s: %v, want %s", row.name, got.Ports, row.want)
		}
	}
}

func TestNewPodStart(t *testing.T) {
	for name, row := range map[string]struct {
		pod  string
		want int64
	}{
		"status.startTime": {"{metadata: {creationTimestamp: " +
			"'1970-01-01T00:00:01Z'}, status: {podIP: 10.0.0.1, startTime: '1970-01-01T00:00:02Z'}}", 2},
		"metadata.creationTimestamp, else": {"{metadata: {creationTimestamp: " +
			"'1970-01-01T00:00:01Z'}, status: {podIP: 10.0.0.1}}", 1},
		"neither, as in a manifest by itself": {"{status: {podIP: 10.0.0.1}}", 0},
	} {
		if got, _ := NewPod(apiPod(t, row.pod)); got.Started != row.want {
			t.Errorf("%s: %d, want %d", name, got.Started, row.want)
		}
	}
}

func TestOutranks(t *testing.T) {
	older, newer := Pod{Key: Key{"a", "z"}, Started: 1}, Pod{Key: Key{"a", "b"}, Started: 2}
	twin := Pod{Key: Key{"b", "a"}, Started: 2}
	for name, row := range map[string]struct {
		winner, loser Pod
	}{
		"the later start":             {newer, older},
		"of equal starts the name":    {twin, newer},
		"a start beats no start":      {older, Pod{Key: Key{"z", "z"}}},
		"equal: namespace, then name": {Pod{Key: Key{"a", "q"}}, Pod{Key: Key{"a", "p"}}},
	} {
		if !row.winner.Outranks(row.loser) || row.loser.Outranks(row.winner) {
			t.Errorf("%s: %s and %s", name, row.winner, row.loser)
		}
	}
	if older.Outranks(older) {
		t.Error("a pod outranks itself")
	}
}

// Sources drop what is Equal to what was: a field that Equal forgets is a change that never
// arrives.
func TestEqualSeesEveryField(t *testing.T) {
	full, _ := NewPod(apiPod(t, "{metadata: {labels: {app: web}}, spec: {nodeName: n1, "+
		"containers: [{ports: [{name: web, containerPort: 80}]}]}, status: {podIP: 10.0.0.1}}"))
	for name, change := range map[string]func(*Pod){
		"Namespace": func(p *Pod) {
			p.Namespace = "b"
		}, "Name": func(p *Pod) {
			p.Name = "q"
		}, "Node": func(p *Pod) {
			p.Node = "n2"
		},
		"Labels": func(p *Pod) {
			p.Labels = map[string]string{"app": ""}
		}, "Labels gone": func(p *Pod) {
			p.Labels = nil
		},
		"Addrs":   func(p *Pod) { p.Addrs = append(p.Addrs, netip.MustParseAddr("fd00::1")) },
		"Ports":   func(p *Pod) { p.Ports = []PortName{{"web", ruleset.UDP, 80}} },
		"Started": func(p *Pod) { p.Started++ },
	} {
		other := full.KeepAddrs(func(netip.Addr) bool { return true })
		if !full.Equal(other) {
			t.Fatal("a copy is not equal")
		}
		if change(&other); full.Equal(other) || other.Equal(full) {
			t.Errorf("Pod.%s", name)
		}
	}
	ns := NewNamespace(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a",
		Labels: map[string]string{"team": "blue"}}})
	for name, change := range map[string]func(*Namespace){
		"Name": func(n *Namespace) {
			n.Name = "b"
		}, "Terminating": func(n *Namespace) {
			n.Terminating = true
		},
		"Labels": func(n *Namespace) {
			n.Labels = map[string]string{"team": "blue", "kubernetes.io/metadata.name": "b"}
		},
	} {
		other := ns
		if change(&other); ns.Equal(other) {
			t.Errorf("Namespace.%s", name)
		}
	}
}

func TestNewNamespace(t *testing.T) {
	for name, row := range map[string]struct {
		labels map[string]string
		want   string
	}{
		"kubernetes.io/metadata.name is implied": {nil, "map[kubernetes.io/metadata.name:a]"},
		"another value of it counts for nothing": {map[string]string{"kubernetes.io/metadata.name": "b"}, "map[kubernetes.io/metadata.name:a]"},
		"beside others": {map[string]string{"x": "y"},
			"map[kubernetes.io/metadata.name:a x:y]"},
	} {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: row.labels}}
		if got := NewNamespace(object); fmt.Sprint(got.Labels) != row.want || got.Terminating {
			t.Errorf("%s: %v, want %s", name, got, row.want)
		}
	}
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a",
		DeletionTimestamp: &metav1.Time{}}}
	if !NewNamespace(gone).Terminating {
		t.Error("metadata.deletionTimestamp is not seen")
	}
}
