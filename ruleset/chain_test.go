package ruleset

import (
	"slices"
	"testing"
)

func TestChainDigestTellsRulesApart(t *testing.T) {
	base := fixture().Chains[1]
	edits := map[string]func(*Chain){
		"name":        func(c *Chain) { c.ID += "x" },
		"end":         func(c *Chain) { c.End = EndDrop },
		"end, free":   func(c *Chain) { c.End = EndGoBack },
		"end, open":   func(c *Chain) { c.End = EndAccept },
		"end, audit":  func(c *Chain) { c.End = EndAudit },
		"policies":    func(c *Chain) { c.Policies = []string{"default/db"} },
		"a rule less": func(c *Chain) { c.Steps = c.Steps[1:] },
		"a lookup":    func(c *Chain) { c.Steps = append(Steps{Lookup{PortsOf(c.ID)}}, c.Steps...) },
		"a lookup, last": func(c *Chain) {
			c.Steps = append(slices.Clone(c.Steps), Lookup{PortsOf(c.ID)})
		},
		"a call": func(c *Chain) { c.Steps = append(Steps{Call{"a"}}, c.Steps...) },
		"order":  func(c *Chain) { c.Steps = Steps{c.Steps[1], c.Steps[0]} },
		"peer": func(c *Chain) {
			c.Steps = Steps{Rule{Peer: InSet(blocks4), Origins: c.Steps[1].(Rule).Origins}}
		},
		"protocol":     func(c *Chain) { c.Steps = Steps{Rule{Proto: TCP}} },
		"action, deny": func(c *Chain) { c.Steps = Steps{Rule{Proto: TCP, Action: Deny}} },
		"action, pass": func(c *Chain) { c.Steps = Steps{Rule{Proto: TCP, Action: Pass}} },
		"ports": func(c *Chain) {
			c.Steps = Steps{Rule{Proto: TCP, Ports: []PortRange{{1, 2}}}}
		},
		"ports, separate": func(c *Chain) {
			c.Steps = Steps{Rule{Proto: TCP, Ports: []PortRange{{1, 1}, {2, 2}}}}
		},
		"origins": func(c *Chain) {
			c.Steps = Steps{Rule{Proto: TCP, Origins: []Origin{{"a/b", Ingress, 1}}}}
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
