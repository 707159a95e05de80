package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// claimant reads "namespace/name@start address …".
func claimant(t *testing.T, text string) Pod {
	t.Helper()
	var p Pod
	words := strings.Fields(text)
	id, start, _ := strings.Cut(words[0], "@")
	if _, err := fmt.Sscan(start, &p.Started); err != nil {
		t.Fatal(err)
	}
	p.Namespace, p.Name, _ = strings.Cut(id, "/")
	p.Addrs = parseAddrs(words[1:])
	return p
}

func TestWhoIsAPeerByAnAddress(t *testing.T) {
	for _, row := range []struct {
		name        string
		pods, nodes []string
		want        string
	}{
		{"each its own", []string{"a/p@1 10.0.0.1 fd00::1", "a/q@1 10.0.0.2"}, nil, "a/p[10.0.0.1 fd00::1] a/q[10.0.0.2]"},
		{"a shared address is the later one's", []string{"a/p@2 10.0.0.1", "a/q@1 10.0.0.1"}, nil, "a/p[10.0.0.1] a/q[]"},
		{"of equal starts the greater name's", []string{"a/p@1 10.0.0.1", "a/q@1 10.0.0.1"}, nil, "a/p[] a/q[10.0.0.1]"},
		{"of equal starts the greater namespace's", []string{"b/a@1 10.0.0.1", "a/z@1 10.0.0.1"}, nil, "b/a[10.0.0.1] a/z[]"},
		{"one of two addresses is shared", []string{"a/p@1 10.0.0.1 fd00::1", "a/q@2 10.0.0.1 fd00::2"}, nil, "a/p[fd00::1] a/q[10.0.0.1 fd00::2]"},
		{"three claim one", []string{"a/p@1 10.0.0.1", "a/q@3 10.0.0.1", "a/r@2 10.0.0.1"}, nil, "a/p[] a/q[10.0.0.1] a/r[]"},
		{"a node's address is nobody's", []string{"a/p@1 10.77.0.1 10.0.0.1"}, []string{"10.77.0.1"}, "a/p[10.0.0.1]"},
		{"of any node", []string{"a/p@1 10.77.0.2", "a/q@2 10.77.0.2 fd77::2"}, []string{"10.77.0.1 fd77::1", "10.77.0.2 fd77::2"}, "a/p[] a/q[]"},
		{"nobody", nil, []string{"10.77.0.1"}, ""},
	} {
		var pods []Pod
		for _, text := range row.pods {
			pods = append(pods, claimant(t, text))
		}
		var nodes []Node
		for _, text := range row.nodes {
			nodes = append(nodes, Node{Addrs: parseAddrs(strings.Fields(text))})
		}
		if got := settledText(newAddresses(Snapshot{Pods: pods, Nodes: nodes}).peers()); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		before := settledText(pods)
		slices.Reverse(pods)
		reversed := newAddresses(Snapshot{Pods: pods, Nodes: nodes}).peers()
		slices.Reverse(reversed)
		slices.Reverse(pods)
		if got := settledText(reversed); got != row.want || settledText(pods) != before {
			t.Errorf("%s, in reverse: %s, want %s; pods %s, were %s", row.name, got, row.want, settledText(pods), before)
		}
	}
}

func settledText(pods []Pod) string {
	words := make([]string, len(pods))
	for i, p := range pods {
		words[i] = p.String() + fmt.Sprint(p.Addrs)
	}
	return strings.Join(words, " ")
}

func TestNewNodeAddresses(t *testing.T) {
	n := &corev1.Node{}
	for kind, texts := range map[corev1.NodeAddressType][]string{
		corev1.NodeInternalIP:  {"fd77::1", "10.77.0.1", "nonsense", "127.0.0.1"},
		corev1.NodeExternalIP:  {"192.0.2.1", "10.77.0.1"},
		corev1.NodeHostName:    {"10.77.0.9"},
		corev1.NodeInternalDNS: {"10.77.0.8"},
	} {
		for _, text := range texts {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: text})
		}
	}
	if got := fmt.Sprint(NewNode(n).Addrs); got != "[10.77.0.1 192.0.2.1 fd77::1]" {
		t.Error(got)
	}
}

// Addresses may come from anywhere where that is said, but never from the range of another node; and what the kernel of
// the node says decides over its own pods, whatever Node objects say.
func TestAddressesByTheKernel(t *testing.T) {
	pods := []Pod{
		{Key: Key{"a", "p"}, Node: "n1", Addrs: parseAddrs([]string{"8.8.8.8", "10.244.1.5", "10.244.2.5", "10.77.0.9"})},
		{Key: Key{"a", "q"}, Node: "n2", Addrs: parseAddrs([]string{"9.9.9.9"})},
	}
	nodes := []Node{
		{Name: "n1", Addrs: parseAddrs([]string{"10.77.0.1"}), CIDRs: prefixes("10.244.1.0/24")},
		{Name: "n2", Addrs: parseAddrs([]string{"10.244.1.5", "10.77.0.9"}), CIDRs: prefixes("10.244.2.0/24")},
	}
	for _, row := range []struct {
		name     string
		snapshot Snapshot
		want     string // peers, and who is judged
	}{
		{"ranges alone", Snapshot{}, "a/p[10.244.1.5] a/q[]; a/p[10.244.1.5]"},
		{"anywhere", Snapshot{Anywhere: true}, "a/p[8.8.8.8 10.244.1.5] a/q[9.9.9.9]; a/p[8.8.8.8 10.77.0.9 10.244.1.5]"},
		{"behind an interface", Snapshot{Behind: parseAddrs([]string{"8.8.8.8", "10.244.2.5"})}, "a/p[10.244.1.5] a/q[]; a/p[8.8.8.8 10.244.1.5 10.244.2.5]"},
		{"the node's own", Snapshot{Own: parseAddrs([]string{"10.244.1.5"})}, "a/p[] a/q[]; "},
	} {
		s := row.snapshot
		s.Node, s.Pods, s.Nodes = "n1", pods, nodes
		x := newAddresses(s)
		if got := settledText(x.peers()) + "; " + settledText(x.plain()); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
