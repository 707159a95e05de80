package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset/policy"
)

// claimant reads "namespace/name@start address …".
func claimant(t *testing.T, text string) policy.Pod {
	t.Helper()
	var p policy.Pod
	words := strings.Fields(text)
	id, start, _ := strings.Cut(words[0], "@")
	if _, err := fmt.Sscan(start, &p.Started); err != nil {
		t.Fatal(err)
	}
	p.Namespace, p.Name, _ = strings.Cut(id, "/")
	p.Addrs = policy.ParseAddrs(words[1:])
	return p
}

func TestWhoIsAPeerByAnAddress(t *testing.T) {
	for _, row := range []struct {
		name        string
		pods, nodes []string
		want        string
	}{
		{"each its own", []string{"a/p@1 10.0.0.1 fd00::1", "a/q@1 10.0.0.2"}, nil,
			"a/p[10.0.0.1 fd00::1] a/q[10.0.0.2]"},
		{"a shared address is the later one's", []string{"a/p@2 10.0.0.1", "a/q@1 10.0.0.1"}, nil,
			"a/p[10.0.0.1] a/q[]"},
		{"of equal starts the greater name's", []string{"a/p@1 10.0.0.1", "a/q@1 10.0.0.1"}, nil,
			"a/p[] a/q[10.0.0.1]"},
		{"of equal starts the greater namespace's", []string{"b/a@1 10.0.0.1", "a/z@1 10.0.0.1"},
			nil, "b/a[10.0.0.1] a/z[]"},
		{"one of two addresses is shared", []string{"a/p@1 10.0.0.1 fd00::1",
			"a/q@2 10.0.0.1 fd00::2"}, nil, "a/p[fd00::1] a/q[10.0.0.1 fd00::2]"},
		{"three claim one", []string{"a/p@1 10.0.0.1", "a/q@3 10.0.0.1", "a/r@2 10.0.0.1"}, nil,
			"a/p[] a/q[10.0.0.1] a/r[]"},
		{"a node's address is nobody's", []string{"a/p@1 10.77.0.1 10.0.0.1"},
			[]string{"10.77.0.1"}, "a/p[10.0.0.1]"},
		{"of any node", []string{"a/p@1 10.77.0.2", "a/q@2 10.77.0.2 fd77::2"},
			[]string{"10.77.0.1 fd77::1", "10.77.0.2 fd77::2"}, "a/p[] a/q[]"},
		{"nobody", nil, []string{"10.77.0.1"}, ""},
	} {
		var pods []policy.Pod
		for _, text := range row.pods {
			pods = append(pods, claimant(t, text))
		}
		var nodes []policy.Node
		for _, text := range row.nodes {
			nodes = append(nodes, policy.Node{Addrs: policy.ParseAddrs(strings.Fields(text))})
		}
		if got := addrsText(newAddresses(Snapshot{Pods: pods,
			Nodes: nodes}).peers()); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		before := addrsText(pods)
		slices.Reverse(pods)
		reversed := newAddresses(Snapshot{Pods: pods, Nodes: nodes}).peers()
		slices.Reverse(reversed)
		slices.Reverse(pods)
		if got := addrsText(reversed); got != row.want || addrsText(pods) != before {
			t.Errorf("%s, in reverse: %s, want %s; pods %s, were %s", row.name, got, row.want,
				addrsText(pods), before)
		}
	}
}

func addrsText(pods []policy.Pod) string {
	words := make([]string, len(pods))
	for i, p := range pods {
		words[i] = p.String() + fmt.Sprint(p.Addrs)
	}
	return strings.Join(words, " ")
}

// Addresses may come from anywhere where that is said, but never from the range of another
// node; and what the kernel of the node says decides over its own pods, whatever Node
// objects say.
func TestAddressesByTheKernel(t *testing.T) {
	pods := []policy.Pod{
		{Key: policy.Key{Namespace: "a", Name: "p"}, Node: "n1",
			Addrs: policy.ParseAddrs([]string{"8.8.8.8", "10.244.1.5", "10.244.2.5", "10.77.0.9"})},
		{Key: policy.Key{Namespace: "a", Name: "q"}, Node: "n2",
			Addrs: policy.ParseAddrs([]string{"9.9.9.9"})},
	}
	nodes := []policy.Node{
		{Name: "n1", Addrs: policy.ParseAddrs([]string{"10.77.0.1"}),
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}},
		{Name: "n2", Addrs: policy.ParseAddrs([]string{"10.244.1.5", "10.77.0.9"}),
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24")}},
	}
	for _, row := range []struct {
		name     string
		snapshot Snapshot
		want     string // peers, and sole subjects
	}{
		{"ranges alone", Snapshot{}, "a/p[10.244.1.5] a/q[]; a/p[10.244.1.5]"},
		{"anywhere", Snapshot{Anywhere: true},
			"a/p[8.8.8.8 10.244.1.5] a/q[9.9.9.9]; a/p[8.8.8.8 10.77.0.9 10.244.1.5]"},
		{"behind an interface", Snapshot{Behind: policy.ParseAddrs([]string{"8.8.8.8",
			"10.244.2.5"})}, "a/p[10.244.1.5] a/q[]; a/p[8.8.8.8 10.244.1.5 10.244.2.5]"},
		{"the node's own", Snapshot{Own: policy.ParseAddrs([]string{"10.244.1.5"})},
			"a/p[] a/q[]; "},
	} {
		s := row.snapshot
		s.Node, s.Pods, s.Nodes = "n1", pods, nodes
		x := newAddresses(s)
		if got := addrsText(x.peers()) + "; " + addrsText(x.soleSubjects()); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
