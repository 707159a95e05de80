package compile_test

import (
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// chainText prints a chain's rules, one a line, with what sets are made from in the place
// of their names.
func chainText(c ruleset.Chain, sources []compile.SetSource) string {
	var lines []string
	for r := range c.Rules() {
		lines = append(lines, strings.Join(strings.Fields(r.String()), " "))
	}
	text := strings.Join(lines, "\n")
	for _, s := range sources {
		text = strings.ReplaceAll(text, "@"+s.ID.String(), strings.TrimSuffix(s.ID.String(), "-"+
			s.ID.Key)+"("+s.Comment+")")
	}
	return text
}

// assemble makes the chain of a pod from policies, which are given sorted.
func assemble(t *testing.T, line string, d ruleset.Direction, texts []string) (ruleset.Chain,
	[]compile.SetSource) {
	t.Helper()
	subject, counts := policy.NewPod(pod(t, line))
	if !counts {
		t.Fatalf("%s does not count", line)
	}
	var policies []*policy.Policy
	for _, text := range texts {
		policies = append(policies, policy.Parse(netpol(t, text)))
	}
	own := isolation(subject, d, policies, compile.Form{Form: ruleset.FullForm()})
	return own.Chain, own.Sources
}

// isolation is that of a pod which shares nothing with others.
func isolation(p policy.Pod, d ruleset.Direction, by []*policy.Policy,
	form compile.Form) compile.Isolation {
	s := compile.Subject{Pod: p, Direction: d,
		Deciders: policy.Deciders{Policies: by, Effect: policy.Isolates}}
	return new(compile.Cache).Template(s, form).Isolation(p, form, compile.NoGroup)
}

func TestChain(t *testing.T) {
	const dual, single = "a/web n1 10.0.0.2 fd00::2 web:80/TCP alt:80/TCP dns:53/UDP",
		"a/web n1 10.0.0.2 web:80/TCP"
	const itself, alone = "\n10.0.0.2/32 any # itself\nfd00::2/128 any # itself",
		"\n10.0.0.2/32 any # itself"
	for _, row := range []struct {
		name, pod string
		direction ruleset.Direction
		policies  []string
		want      string
	}{{
		"no rule: itself alone", dual, ruleset.Ingress, []string{"a/p {}"}, itself,
	}, {
		"everybody, everything", dual, ruleset.Ingress, []string{"a/p {ingress: [{}]}"},
		"anyone any # a/p ingress[0]" + itself,
	}, {
		"the rules of the other direction do not count", dual, ruleset.Egress,
		[]string{"a/p {ingress: [{}], policyTypes: [Egress]}"}, itself,
	}, {
		"rules in the order of policies and numbers", dual, ruleset.Ingress,
		[]string{"a/p {ingress: [{ports: [{port: 2}]}, {ports: [{port: 1}]}]}",
			"a/q {ingress: [{ports: [{port: 0}]}, {ports: [{port: 3}]}]}"},
		"anyone tcp 2 # a/p ingress[0]\nanyone tcp 1 # a/p ingress[1]\nanyone tcp 3 # a/q ingress[1]" + itself,
	}, {
		"what several policies say is one rule of several origins", dual, ruleset.Ingress,
		[]string{"a/p {ingress: [{ports: [{port: 81}, {port: 80}]}]}",
			"a/q {ingress: [{}, {ports: [{port: 80, endPort: 81}]}]}",
			"a/r {ingress: [{ports: [{port: 80}, {port: 81}]}, {ports: [{port: web}, {port: 81}]}]}"},
		"anyone tcp 80-81 # a/p ingress[0], a/q ingress[1], a/r ingress[0-1]\nanyone any # a/q " +
			"ingress[0]" + itself,
	}, {
		"what one rule says twice has it as origin once", dual, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{podSelector: {}}, {podSelector: {}}]}]}"},
		"pods4(all pods in namespace a) any # a/p ingress[0]\npods6(all pods in namespace a) any " +
			"# a/p ingress[0]" + itself,
	}, {
		"an entry that says what is always so", single, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{ipBlock: {cidr: 10.0.0.2/32}}]}]}"},
		"10.0.0.2/32 any # itself, a/p ingress[0]",
	}, {
		"the families of the subject only", single, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: '::/0'}}, " +
			"{ipBlock: {cidr: 8.0.0.0/8}}]}]}"},
		"pods4(all pods in namespace a) any # a/p ingress[0]\n8.0.0.0/8 any # a/p ingress[0]" +
			alone,
	}, {
		"the families of the subject only: IPv6", "a/web n1 fd00::2", ruleset.Egress,
		[]string{"a/p {egress: [{to: [{namespaceSelector: {}}, {ipBlock: {cidr: '::/0'}}, " +
			"{ipBlock: {cidr: 8.0.0.0/8}}]}, {ports: [{port: x}]}]}"},
		"pods6(all pods in all namespaces) any # a/p egress[0]\n::/0 any # a/p " +
			"egress[0]\nports6(tcp port x of all pods in all namespaces) any # a/p " +
			"egress[1]\nfd00::2/128 any # itself",
	}, {
		"ipBlocks: one prefix stands in the rule, else a set", dual, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.0.0.0/8, except: [8.8.8.8/32]}}, " +
			"{ipBlock: {cidr: 'fd00::/8'}}]}]}"},
		"cidrs4(8.0.0.0-8.8.8.7, 8.8.8.9-8.255.255.255) any # a/p ingress[0]\nfd00::/8 any # a/p " +
			"ingress[0]" + itself,
	}, {
		"ipBlocks: one range that is no prefix", single, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.0.0.0/31}}, {ipBlock: {cidr: " +
			"8.0.0.2/32}}]}]}"},
		"cidrs4(8.0.0.0-8.0.0.2) any # a/p ingress[0]" + alone,
	}, {
		"ports of each protocol are one rule", single, ruleset.Ingress,
		[]string{"a/p {ingress: [{ports: [{protocol: SCTP}, {protocol: UDP, port: 53}, " +
			"{port: 443}, {port: 80}]}]}"},
		"anyone tcp 80,443 # a/p ingress[0]\nanyone udp 53 # a/p ingress[0]\nanyone sctp # a/p " +
			"ingress[0]" + alone,
	}, {
		"ingress: a name is the subject's number", dual, ruleset.Ingress,
		[]string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.0.0.0/8}}], ports: [{port: web}, " +
			"{port: alt}, {protocol: UDP, port: dns}, {port: 81}]}]}"},
		"8.0.0.0/8 tcp 80-81 # a/p ingress[0]\n8.0.0.0/8 udp 53 # a/p ingress[0]" + itself,
	}, {
		"ingress: a name with another protocol, or that the subject has not, is nothing", single,
		ruleset.Ingress, []string{"a/p {ingress: [{ports: [{protocol: UDP, port: web}, " +
			"{port: nobody}]}]}"},
		alone,
	}, {
		"egress: a name is each peer's number", single, ruleset.Egress,
		[]string{"a/p {egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 8.0.0.0/8}}], " +
			"ports: [{port: web}]}]}"},
		"ports4(tcp port web of all pods in namespace a) any # a/p egress[0]" + alone,
	}, {
		"egress: a name beside a number", single, ruleset.Egress,
		[]string{"a/p {egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 8.0.0.0/8}}], " +
			"ports: [{port: web}, {port: 81}]}]}"},
		"pods4(all pods in namespace a) tcp 81 # a/p egress[0]\n8.0.0.0/8 tcp 81 # a/p " +
			"egress[0]\nports4(tcp port web of all pods in namespace a) any # a/p egress[0]" +
			alone,
	}, {
		"egress: a name against ipBlocks alone is nothing", single, ruleset.Egress,
		[]string{"a/p {egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: web}]}]}"},
		alone,
	}, {
		"egress: a name without to is every pod's", single, ruleset.Egress,
		[]string{"a/p {egress: [{ports: [{protocol: UDP, port: dns}]}]}"},
		"ports4(udp port dns of all pods in all namespaces) any # a/p egress[0]" + alone,
	}} {
		chain, sources := assemble(t, row.pod, row.direction, row.policies)
		if got, want := chainText(chain, sources), strings.TrimSpace(row.want); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, want)
		}
	}
}

func TestChainNamesItsSubjectAndEachSetOnce(t *testing.T) {
	chain, sources := assemble(t, "a/web n1 10.0.0.2", ruleset.Egress, []string{
		"a/p {egress: [{to: [{podSelector: {}}]}, {to: [{podSelector: {}}], ports: [{port: 80}, " +
			"{port: x}]}]}", "a/q {egress: [{to: [{podSelector: {}}], ports: [{port: x}]}]}"})
	if chain.ID != "egress/a/web" || chain.Direction != ruleset.Egress ||
		chain.Subject != "a/web" || chain.End != ruleset.EndDrop {
		t.Errorf("%+v", chain)
	}
	if len(sources) != 2 || sources[0].ID.Kind != ruleset.Addresses ||
		sources[1].ID.Kind != ruleset.AddressPorts {
		t.Errorf("%v", sources)
	}
}
