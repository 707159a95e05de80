package ruleset

import "testing"

func TestChainDigestTellsRulesApart(t *testing.T) {
	base := fixture().Chains[1]
	edits := map[string]func(*Chain){
		"name":        func(c *Chain) { c.ID += "x" },
		"denial":      func(c *Chain) { c.Denial = Drop },
		"policies":    func(c *Chain) { c.Policies = []string{"default/db"} },
		"a rule less": func(c *Chain) { c.Rules = c.Rules[1:] },
		"order":       func(c *Chain) { c.Rules = []Rule{c.Rules[1], c.Rules[0]} },
		"peer": func(c *Chain) {
			c.Rules = []Rule{{Peer: InSet(blocks4), Origins: c.Rules[1].Origins}}
		},
		"protocol": func(c *Chain) { c.Rules = []Rule{{Proto: TCP}} },
		"ports": func(c *Chain) {
			c.Rules = []Rule{{Proto: TCP, Ports: []PortRange{{1, 2}}}}
		},
		"ports, separate": func(c *Chain) {
			c.Rules = []Rule{{Proto: TCP, Ports: []PortRange{{1, 1}, {2, 2}}}}
		},
		"origins": func(c *Chain) {
			c.Rules = []Rule{{Proto: TCP, Origins: []Origin{{"a/b", Ingress, 1}}}}
		},
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

func TestParseDenial(t *testing.T) {
	tests := []struct {
		text string
		want Denial
		ok   bool
	}{{"drop", Drop, true}, {"reject", Reject, true}, {"", Drop, false}, {"Drop", Drop, false},
		{"accept", Drop, false}}
	for _, test := range tests {
		if got, err := ParseDenial(test.text); got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseDenial(%q) = %s, %v", test.text, got, err)
		}
	}
}
