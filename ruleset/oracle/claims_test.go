package oracle

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// withRanges gives the nodes of cluster their pod ranges.
func withRanges(w *World) {
	for _, n := range w.Nodes {
		number := n.Name[1:]
		n.Spec.PodCIDRs = []string{"10.244." + number + ".0/24", "fd00:10:244:" + number + "::/64"}
	}
}

// claim adds a pod with these addresses that has started after all others.
func claim(w *World, id, node string, ips ...string) {
	p := pod(id, node, 0, "app=late")
	setIPs(p, ips...)
	p.Status.StartTime = second(50)
	w.Pods = append(w.Pods, p)
}

// Nobody's word about an address takes a pod its isolation, nor makes a peer of somebody else.
func TestClaims(t *testing.T) {
	const onlyLate = "{podSelector: {matchLabels: {app: db}}, ingress: [{from: " +
		"[{namespaceSelector: {}, podSelector: {matchLabels: {app: late}}}]}]}"
	claimed := func(node string, ips ...string) func(*World) {
		return func(w *World) {
			withRanges(w)
			claim(w, "ab/late", node, ips...)
		}
	}
	table{{
		name:     "a pod of another node claims a pod's address",
		change:   claimed("n2", "10.244.1.2", "fd00:10:244:2::9"),
		policies: []string{"a/p " + denyBoth},
		flows: `
			deny-ingress ab/web > 10.244.1.2 TCP 80
			deny-egress 10.244.1.2 > ab/web TCP 80
			deny-ingress ab/web@6 > a/web@6 TCP 80`,
	}, {
		name:     "and is no peer by it, but by its other address",
		change:   claimed("n1", "10.244.2.9", "fd00:10:244:1::9"),
		policies: []string{"a/p " + onlyLate},
		flows: `
			deny-ingress 10.244.2.9 > a/db TCP 80
			allow fd00:10:244:1::9 > a/db@6 TCP 80`,
	}, {
		name: "without ranges the later one is the peer, and both stay isolated",
		change: func(w *World) {
			claim(w, "ab/late", "n2", "10.244.1.2")
		},
		policies: []string{"a/p " + denyBoth,
			"ab/p {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: " +
				"{matchLabels: {app: late}}}]}]}"},
		flows: `
			deny-ingress ab/cli > 10.244.1.2 TCP 80
			deny-egress 10.244.1.2 > ab/web TCP 80`,
	}, {
		name: "a Node object lists a pod's address",
		change: func(w *World) {
			withRanges(w)
			w.Nodes[1].Status.Addresses = append(w.Nodes[1].Status.Addresses,
				node("", "10.244.1.2").Status.Addresses...)
		},
		policies: []string{"a/p " + denyBoth},
		flows: `
			deny-ingress ab/web > 10.244.1.2 TCP 80
			deny-egress 10.244.1.2 > ab/web TCP 80`,
	}, {
		name: "a Node object lists a pod's address, and there are no ranges",
		change: func(w *World) {
			w.Nodes[1].Status.Addresses = append(w.Nodes[1].Status.Addresses,
				node("", "10.244.1.2").Status.Addresses...)
		},
		policies: []string{"a/p " + denyBoth},
		flows:    "deny-ingress ab/web > 10.244.1.2 TCP 80",
	}, {
		name:     "an address outside of all ranges is no pod's and no peer's",
		change:   claimed("n1", "8.8.8.8", "fd00:10:244:1::9"),
		policies: []string{"ab/p " + denyBoth, "a/p " + onlyLate},
		flows: `
			allow a/web > 8.8.8.8 TCP 80
			deny-ingress 8.8.8.8 > a/db TCP 80
			deny-ingress a/web@6 > fd00:10:244:1::9 TCP 80`,
	}, {
		name: "a range of one family says nothing of the other",
		change: func(w *World) {
			claimed("n1", "8.8.8.8", "2001:db8::9")(w)
			w.Nodes[0].Spec.PodCIDRs = w.Nodes[0].Spec.PodCIDRs[:1]
		},
		policies: []string{"ab/p " + denyBoth},
		flows: `
			allow a/web > 8.8.8.8 TCP 80
			deny-ingress a/web@6 > 2001:db8::9 TCP 80`,
	}}.run(t)
}

// Of two live pods of one node with one address the one that started last is the peer; what is
// judged is what both may.
func TestSharedAddress(t *testing.T) {
	share := func(start, created *metav1.Time, id string) func(*World) {
		return func(w *World) {
			w.pod("a/web").Status.StartTime = second(5)
			p := pod(id, "n1", 2, "app=late")
			p.Spec.Containers = w.pod("a/web").Spec.Containers
			p.Status.StartTime = start
			if created != nil {
				p.CreationTimestamp = *created
			}
			w.Pods = append(w.Pods, p)
		}
	}
	late, same := share(second(6), nil, "ab/late"), share(second(6), nil, "a/late")
	const (
		isPeer = "allow 10.244.1.2 > b/lone TCP 80"
		isNot  = "deny-ingress 10.244.1.2 > b/lone TCP 80"
		denied = "deny-ingress b/lone > 10.244.1.2 TCP 80"
	)
	fromLate := []string{"b/p {ingress: [{from: [{namespaceSelector: {}, podSelector: " +
		"{matchLabels: {app: late}}}]}]}"}
	fromWeb := []string{"b/p {ingress: [{from: [{namespaceSelector: {}, podSelector: " +
		"{matchLabels: {app: web}}}]}]}"}
	table{
		{name: "startTime: the later one is the peer", change: late, policies: fromLate,
			flows: isPeer},
		{name: "startTime: the earlier one is not", change: late, policies: fromWeb, flows: isNot},
		{name: "startTime: started before", change: share(second(4), nil, "ab/late"),
			policies: fromLate, flows: isNot},
		{name: "startTime absent: creationTimestamp, later", change: share(nil, second(6),
			"ab/late"), policies: fromLate, flows: isPeer},
		{name: "startTime absent: creationTimestamp, earlier", change: share(nil, second(4),
			"ab/late"), policies: fromLate, flows: isNot},
		{name: "startTime and creationTimestamp absent: first of all", change: share(nil, nil,
			"ab/late"), policies: fromLate, flows: isNot},
		{name: "startTime equal: the greater name", change: share(second(5), nil, "ab/late"),
			policies: fromLate, flows: isPeer},
		{name: "startTime equal: the lesser name", change: share(second(5), nil, "a/late"),
			policies: fromLate, flows: isNot},
		{name: "the later one isolated", change: late, policies: []string{"ab/p {}"},
			flows: denied},
		{name: "the earlier one isolated", change: late,
			policies: []string{"a/p {podSelector: {matchLabels: {app: web}}}"}, flows: denied},
		{name: "both isolated by others: nothing", change: late,
			policies: []string{"a/p {ingress: [{}]}", "ab/p {ingress: [{}]}"}, flows: denied},
		{name: "one isolated: what it may", change: late,
			policies: []string{"a/p {ingress: [{ports: [{port: 80}]}]}"},
			flows:    "allow b/lone > 10.244.1.2 TCP 80"},
		{name: "both isolated by one: what it allows", change: same, policies: []string{
			"a/p {ingress: [{ports: [{port: 80}]}]}",
			"a/q {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 81}]}]}",
			"a/r {podSelector: {matchLabels: {app: late}}, ingress: [{ports: [{port: 82}]}]}",
		}, flows: `
			allow b/lone > 10.244.1.2 TCP 80
			deny-ingress b/lone > 10.244.1.2 TCP 81
			deny-ingress b/lone > 10.244.1.2 TCP 82`},
		{name: "a port name means what both call so", change: func(w *World) {
			same(w)
			w.pod("a/web").Spec.Containers = append(w.pod("a/web").Spec.Containers,
				container("other 90 TCP"))
		}, policies: []string{"a/p {ingress: [{ports: [{port: web}, {port: other}]}]}"}, flows: `
			allow b/lone > 10.244.1.2 TCP 80
			deny-ingress b/lone > 10.244.1.2 TCP 90`},
		{name: "itself", change: late, policies: []string{"a/p " + denyBoth}, flows: `
			allow 10.244.1.2 > 10.244.1.2 TCP 80
			deny-ingress b/lone@6 > a/web@6 TCP 80`},
	}.run(t)
}

// A namespace that no object describes matches by its name and by nothing else.
func TestUnheardNamespace(t *testing.T) {
	from := func(namespaces string) []string {
		return []string{"a/p {ingress: [{from: [{namespaceSelector: " + namespaces + "}]}]}"}
	}
	const denied, allowed = "deny-ingress b/lone > a/web TCP 80", "allow b/lone > a/web TCP 80"
	table{
		{name: "DoesNotExist", policies: from("{matchExpressions: [{key: restricted, operator: " +
			"DoesNotExist}]}"), flows: denied},
		{name: "NotIn", policies: from("{matchExpressions: [{key: team, operator: NotIn, values: " +
			"[blue]}]}"), flows: denied},
		{name: "its name, and DoesNotExist", policies: from(
			"{matchLabels: {kubernetes.io/metadata.name: b}, matchExpressions: [{key: x, " +
				"operator: DoesNotExist}]}"), flows: denied},
		{name: "its name", policies: from("{matchLabels: {kubernetes.io/metadata.name: b}}"),
			flows: allowed},
		{name: "one of several names", policies: from(
			"{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [b, c]}]}"), flows: allowed},
		{name: "every namespace", policies: from("{}"), flows: allowed},
	}.run(t)
}

// What a node itself sends may come from its tunnel, which has the first address of its pod range.
func TestNodeThroughItsTunnel(t *testing.T) {
	const webhook = "a/p {ingress: [{from: [{ipBlock: {cidr: 10.77.0.12/32}}]}]}"
	table{{
		name:   "an ipBlock that holds the node holds its tunnel, of the same family",
		change: withRanges, policies: []string{webhook},
		flows: `
			allow n2 > a/web TCP 80
			allow 10.244.2.0 > a/web TCP 80
			deny-ingress 10.244.2.1 > a/web TCP 80
			deny-ingress fd00:10:244:2:: > a/web@6 TCP 80
			deny-ingress 10.244.3.0 > a/web TCP 80`,
	}, {
		name: "of the other family, and on egress", change: withRanges,
		policies: []string{"a/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"'fd77::/64'}}]}]}"},
		flows: `
			allow a/web@6 > fd00:10:244:2:: TCP 80
			deny-egress a/web > 10.244.2.0 TCP 80`,
	}, {
		name: "except takes the node away", change: withRanges,
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 10.77.0.0/24, except: " +
			"[10.77.0.12/32]}}]}]}"},
		flows: "deny-ingress 10.244.2.0 > a/web TCP 80",
	}, {
		name: "a pod has that address", change: func(w *World) {
			withRanges(w)
			claim(w, "b/first", "n2", "10.244.2.0")
		}, policies: []string{webhook},
		flows: "deny-ingress 10.244.2.0 > a/web TCP 80",
	}, {
		name: "two nodes claim the address", change: func(w *World) {
			withRanges(w)
			w.Nodes[0].Status.Addresses = append(w.Nodes[0].Status.Addresses,
				w.Nodes[1].Status.Addresses...)
		}, policies: []string{webhook},
		flows: "deny-ingress 10.244.2.0 > a/web TCP 80",
	}}.run(t)
}
