package controller

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// badAgain is a policy with long problems that selects pods by one label, or all.
func badAgain(name, app string) *policy.Policy {
	p := badPolicy.DeepCopy()
	p.Name = name
	if app != "" {
		p.Spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	for range 10 {
		p.Spec.Ingress = append(p.Spec.Ingress,
			networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{
				{IPBlock: &networkingv1.IPBlock{CIDR: strings.Repeat("wrong", 100)}},
			}})
	}
	return policy.Parse(p)
}

// What is wrong with the annotation of a namespace is told until it is mended.
func TestWrongAuditOfANamespaceIsTold(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k})
	const told = `"namespace shop": "metadata.annotations[picket.dev/audit]: Invalid value`
	for _, value := range []string{"yes", "true"} {
		ns := &corev1.Namespace{}
		ns.Name, ns.Annotations = "shop", map[string]string{policy.AuditAnnotation: value}
		source <- Mail{Events: []graph.Event{graph.EventOf(ns)}, Synced: true}
		eventually(t, value, func() bool {
			return strings.Contains(get(c, "/readyz"), told) == (value == "yes")
		})
	}
}

// Of thousands of bad policies all are counted and a few are named, in an answer that stays small.
func TestManyBadPoliciesAreCounted(t *testing.T) {
	const count = 8000
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k})
	var events []graph.Event
	for i := range count {
		events = append(events, graph.PolicySet{Policy: badAgain(fmt.Sprintf("bad-%04d", i), "")})
	}
	source <- Mail{Events: events, Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	got := get(c, "/readyz")
	if size := len(got); size > 64<<10 {
		t.Errorf("/readyz has %d bytes", size)
	}
	for _, want := range []string{`"policy default/bad-0000"`, `"policy default/bad-0019"`,
		`"policies": "7980 more`} {
		if !strings.Contains(got, want) {
			t.Errorf("/readyz lacks %s", want)
		}
	}
	if !strings.Contains(get(c, "/metrics"), fmt.Sprintf("picket_policies_with_problems %d",
		count)) {
		t.Error("not all are counted")
	}
	events = nil
	for i := range count {
		events = append(events, graph.PolicyGone{Key: policy.Key{Namespace: "default",
			Name: fmt.Sprintf("bad-%04d", i)}})
	}
	source <- Mail{Events: events}
	eventually(t, "all is well", func() bool {
		return !strings.Contains(get(c, "/readyz"), "warnings")
	})
}

// An Event on a bad policy comes from the nodes whose pods it selects, from one node where it
// selects nobody, and from that of a pod that comes later.
func TestEventsComeFromFewNodes(t *testing.T) {
	told := map[string]reports{}
	var sources []script
	for _, node := range []string{"n1", "n2", "n3"} {
		told[node] = make(chan []policy.Problem, 10)
		source := script(make(chan Mail))
		c := start(t, Config{Node: node, Source: source, Firewall: &kernel{}, Reporter: told[node]})
		source <- Mail{Events: threeNodes()}
		source <- Mail{Events: []graph.Event{
			graph.PolicySet{Policy: badAgain("of-web", "web")},
			graph.PolicySet{Policy: badAgain("of-nobody", "nobody")},
			graph.PodSet{Pod: labelled("web", "n2", "10.244.2.5")},
		}, Synced: true}
		eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
		sources = append(sources, source)
	}
	before := toldBy(told)
	if strings.Join(before["of-web"], " ") != "n2" || len(before["of-nobody"]) != 1 {
		t.Errorf("told by %v", before)
	}
	for _, s := range sources {
		s <- Mail{Events: []graph.Event{graph.PodSet{Pod: labelled("nobody", "n3", "10.244.3.5")}}}
		s <- Mail{}
		s <- Mail{}
	}
	eventually(t, "told by n3, unless it was before", func() bool {
		return before["of-nobody"][0] == "n3" || strings.Join(toldBy(told)["of-nobody"],
			" ") == "n3"
	})
}

func threeNodes() (events []graph.Event) {
	for i := 1; i <= 3; i++ {
		events = append(events, graph.NodeSet{Node: policy.Node{Name: fmt.Sprintf("n%d", i),
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}}})
	}
	return events
}

func labelled(app, node, addr string) policy.Pod {
	p := pod(app, addr)
	p.Node, p.Labels = node, map[string]string{"app": app}
	return p
}

// toldBy says which nodes have reported which policies since it was last asked.
func toldBy(told map[string]reports) map[string][]string {
	by := map[string][]string{}
	for node, r := range told {
		for range len(r) {
			name := (<-r)[0].Policy.Name
			by[name] = append(by[name], node)
		}
	}
	return by
}

// A policy for which there is not enough room is a warning, a metric and an Event, until it is
// gone.
func TestPolicyBeyondTheBudgetsIsReported(t *testing.T) {
	k, source, told := &kernel{}, script(make(chan Mail)), reports(make(chan []policy.Problem, 10))
	c := start(t, Config{Source: source, Firewall: k, Reporter: told})
	big := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default",
		Name: "big"}}
	for i := range 3000 {
		big.Spec.Ingress = append(big.Spec.Ingress,
			networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: "app", Operator: metav1.LabelSelectorOpNotIn,
						Values: []string{fmt.Sprint(i)}},
				}},
			}}})
	}
	events := []graph.Event{graph.PolicySet{Policy: policy.Parse(big)}}
	for i := range 1000 {
		events = append(events, graph.PodSet{Pod: pod(fmt.Sprintf("p%d", i),
			fmt.Sprintf("10.244.%d.%d", i/200, i%200))})
	}
	source <- Mail{Events: events, Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	if text := c.Health.Readiness().Warnings["policy default/big"]; !strings.Contains(text,
		"needs more") {
		t.Errorf("the warning is %q", text)
	}
	if !strings.Contains(get(c, "/metrics"), "picket_policies_beyond_budgets 1") || len(told) != 1 {
		t.Errorf("reported %d times, and by no metric", len(told))
	}
	if program := k.program(); !strings.Contains(program, "dispatch ingress 10.244.0.1 ") ||
		strings.Contains(program, "default/big ingress") {
		t.Errorf("%.2000s", program)
	}
	source <- Mail{Events: []graph.Event{graph.PolicyGone{Key: policy.Key{Namespace: "default",
		Name: "big"}}}}
	eventually(t, "all is well", func() bool {
		return !strings.Contains(get(c, "/readyz"), "warnings")
	})
}
