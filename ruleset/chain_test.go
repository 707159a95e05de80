package ruleset

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The longest names of Kubernetes: a namespace is an RFC 1123 label, a pod's name a subdomain.
const (
	longestNamespace = 63
	longestPod       = 253
)

func TestChainName(t *testing.T) {
	tests := []struct {
		namespace, pod string
		want           ChainID
	}{
		{"default", "web-0", "egress/default/web-0"},
		{"a", "b.c", "egress/a/b.c"},
		{"default", strings.Repeat("x", 95), ChainID("egress/default/" + strings.Repeat("x", 95))}, // 110 bytes
		{"default", strings.Repeat("x", 96), ChainID("egress/default/" + strings.Repeat("x", 68) + "_" +
			Digest("egress/default/"+strings.Repeat("x", 96)))},
	}
	for _, test := range tests {
		if got := NewChainID(Egress, test.namespace, test.pod); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// The nft program reads a name as one word if it begins with a letter and goes on with these characters
// (its scanner's rule for strings).
var chainName = regexp.MustCompile(`^(ingress|egress)/[a-z0-9/._-]+$`)

func TestChainNamesDoNotCollide(t *testing.T) {
	long := strings.Repeat("p", maxName)
	pods := []struct{ namespace, pod string }{
		{"a", "bc"}, {"ab", "c"}, {"abc", "d"}, {"a", "b-c"}, {"a-b", "c"}, {"a", "b.c"}, {"a", "a"}, {"egress", "ingress"}, {"ingress", "egress"},
		{"a", long + "x"}, {"a", long + "y"}, {"a", long}, {"a", long[1:]}, {"ap", long[1:]},
		{strings.Repeat("n", longestNamespace), strings.Repeat("p", longestPod)},
		{strings.Repeat("n", longestNamespace), strings.Repeat("p", longestPod-1)},
		{strings.Repeat("n", longestNamespace-1), strings.Repeat("p", longestPod)},
	}
	taken := map[ChainID]bool{}
	for _, d := range Directions {
		for _, p := range pods {
			id := NewChainID(d, p.namespace, p.pod)
			if taken[id] || len(id) > maxName || !chainName.MatchString(string(id)) {
				t.Errorf("%s %s/%s: %q (%d bytes) is taken: %t", d, p.namespace, p.pod, id, len(id), taken[id])
			}
			taken[id] = true
		}
	}
}

func TestChainNamesAreAFunctionOfThePod(t *testing.T) {
	type pod struct {
		direction       Direction
		namespace, name string
	}
	pods := rapid.Custom(func(t *rapid.T) pod {
		name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,3}[a-z0-9])?`)
		filler := strings.Repeat("x", rapid.SampledFrom([]int{0, 90, 110, 200}).Draw(t, "filler"))
		return pod{rapid.SampledFrom(Directions[:]).Draw(t, "direction"), name.Draw(t, "namespace"), filler + name.Draw(t, "pod")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := pods.Draw(t, "a"), pods.Draw(t, "b")
		x, y := NewChainID(a.direction, a.namespace, a.name), NewChainID(b.direction, b.namespace, b.name)
		if (x == y) != (a == b) || len(x) > maxName || !chainName.MatchString(string(x)) {
			t.Fatalf("%v → %s, %v → %s", a, x, b, y)
		}
	})
}

func TestDigest(t *testing.T) {
	// printf sample | sha256sum | cut -c-64 | xxd -r -p | base32 | cut -c-26 | tr A-Z a-z
	if got := Digest("sample"); got != "v4v5xynktnxmdyvn4hljj5a7y4" {
		t.Error(got)
	}
	if Digest("") == Digest(" ") || len(Digest("")) != 26 {
		t.Error(Digest(""), Digest(" "))
	}
}

func TestChainDigestTellsRulesApart(t *testing.T) {
	base := fixture().Chains[1]
	edits := map[string]func(*Chain){
		"name":            func(c *Chain) { c.ID += "x" },
		"denial":          func(c *Chain) { c.Denial = Drop },
		"a rule less":     func(c *Chain) { c.Rules = c.Rules[1:] },
		"order":           func(c *Chain) { c.Rules = []Rule{c.Rules[1], c.Rules[0]} },
		"peer":            func(c *Chain) { c.Rules = []Rule{{Peer: InSet(blocks4), Origins: c.Rules[1].Origins}} },
		"protocol":        func(c *Chain) { c.Rules = []Rule{{Proto: TCP}} },
		"ports":           func(c *Chain) { c.Rules = []Rule{{Proto: TCP, Ports: []PortRange{{1, 2}}}} },
		"ports, separate": func(c *Chain) { c.Rules = []Rule{{Proto: TCP, Ports: []PortRange{{1, 1}, {2, 2}}}} },
		"origins":         func(c *Chain) { c.Rules = []Rule{{Proto: TCP, Origins: []Origin{{"a/b", Ingress, 1}}}} },
	}
	seen := map[string]string{base.Digest(): "the chain as it was"}
	for name, edit := range edits {
		c := base
		edit(&c)
		if other, taken := seen[c.Digest()]; taken {
			t.Errorf("%s and %s have one digest", name, other)
		}
		if c.Equal(base) || base.Equal(c) || !c.Equal(c) {
			t.Errorf("%s: Equal and Digest do not agree", name)
		}
		seen[c.Digest()] = name
	}
}

func TestOriginAndRuleText(t *testing.T) {
	dns, all := Origin{"default/allow-dns", Egress, 0}, Origin{"default/all", Ingress, 12}
	tests := []struct{ got, want string }{
		{dns.String(), "default/allow-dns egress[0]"},
		{all.String(), "default/all ingress[12]"},
		{Origin{}.String(), "itself"},
		{Rule{Origins: []Origin{{}}}.String(), "anyone any                               # itself"},
		{Rule{Proto: TCP, Ports: []PortRange{{80, 80}, {90, 99}}, Origins: []Origin{dns, all}}.String(),
			"anyone tcp 80,90-99                      # default/allow-dns egress[0], default/all ingress[12]"},
		{Rule{Peer: InSet(web), Proto: UDP}.String(), "@pods4-web udp"},
		{Rule{Peer: InPrefix(prefix("10.1.2.3/8"))}.String(), "10.0.0.0/8 any"},
		{Rule{Peer: InPrefix(prefix("::/0")), Proto: SCTP}.String(), "::/0 sctp"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestOriginOrder(t *testing.T) {
	sorted := []Origin{{}, {"a/p", Ingress, 0}, {"a/p", Ingress, 1}, {"a/p", Ingress, 10}, {"a/p", Egress, 0}, {"a/q", Ingress, 0}, {"b/a", Ingress, 0}}
	for i, a := range sorted {
		for j, b := range sorted {
			if a.Compare(b) != sign(i-j) {
				t.Errorf("%s against %s: %d", a, b, a.Compare(b))
			}
		}
	}
}

func TestRuleSame(t *testing.T) {
	rule := Rule{Peer: InSet(web), Proto: TCP, Ports: []PortRange{{80, 80}}, Origins: []Origin{{"a/p", Ingress, 0}}}
	tests := []struct {
		name string
		edit func(*Rule)
		want bool
	}{
		{"nothing", func(*Rule) {}, true},
		{"origins", func(r *Rule) { r.Origins = nil }, true},
		{"peer", func(r *Rule) { r.Peer = Peer{} }, false},
		{"protocol", func(r *Rule) { r.Proto = UDP }, false},
		{"ports", func(r *Rule) { r.Ports = nil }, false},
	}
	for _, test := range tests {
		other := rule
		test.edit(&other)
		if rule.Same(other) != test.want {
			t.Errorf("%s differ: same is %t", test.name, !test.want)
		}
	}
}

func TestParseDenial(t *testing.T) {
	tests := []struct {
		text string
		want Denial
		ok   bool
	}{{"drop", Drop, true}, {"reject", Reject, true}, {"", Drop, false}, {"Drop", Drop, false}, {"accept", Drop, false}}
	for _, test := range tests {
		if got, err := ParseDenial(test.text); got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseDenial(%q) = %s, %v", test.text, got, err)
		}
	}
}

func TestDirectionEnds(t *testing.T) {
	f := Flow{From: addr("10.0.0.1"), To: addr("10.0.0.2")}
	if subject, peer := Egress.Ends(f); subject != f.From || peer != f.To {
		t.Errorf("egress of %s: subject %s, peer %s", f, subject, peer)
	}
	if subject, peer := Ingress.Ends(f); subject != f.To || peer != f.From {
		t.Errorf("ingress of %s: subject %s, peer %s", f, subject, peer)
	}
}
