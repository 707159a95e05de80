package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

// However many ranges of ports there are, a packet meets one map of them: its chain does
// not grow.
func TestManyRangesAreOneLook(t *testing.T) {
	var rules []string
	for i := range 6000 {
		rules = append(rules, fmt.Sprintf("{from: [{podSelector: {matchLabels: {app: x%d}}}], "+
			"ports: [{port: %d, endPort: %d}]}", i/100, 1+10*i, 70+10*i))
	}
	chain, sources := assemble(t, "a/web n1 10.0.0.2", ruleset.Ingress, []string{"a/p {ingress: [" +
		strings.Join(rules, ", ") + "]}"})
	lookups := slices.Collect(chain.Lookups())
	if len(chain.Steps) != 1+1 || len(lookups) != 1 || lookups[0].Set.Kind != ruleset.PortRanges {
		t.Errorf("%d steps, looks at %v", len(chain.Steps), lookups)
	}
	for _, s := range sources {
		if s.ID.Kind == ruleset.PortRanges && (len(s.Jumps) != 6006 || s.Jumps[1].Port != 11 ||
			s.Jumps[1].LastPort != 20) {
			t.Errorf("%d ranges: %v", len(s.Jumps), s.Jumps[:3])
		}
	}
}

// Ranges that lie within each other are more work the more there are, by the square: too
// many are not allowed.
func TestRangesWithinRanges(t *testing.T) {
	for count, fits := range map[int]bool{300: true, 3000: false} {
		var rules []string
		for i := range count {
			rules = append(rules, fmt.Sprintf("{from: [{podSelector: {matchLabels: {app: "+
				"x%d}}}], ports: [{port: %d, endPort: %d}]}", i%3, 1+i, 60000-i))
		}
		p := netpol(t, "a/p {ingress: ["+strings.Join(rules, ", ")+"]}")
		program, problems := compile.Compile(crowd(t, 10, p))
		verdict, trace := program.Decide(tcpFlow("10.1.0.1 > 10.1.0.0 30000"))
		if fits != (len(problems) == 0) || fits != (verdict == ruleset.Allowed) {
			t.Errorf("%d ranges: %v, %v %v", count, problems, verdict, trace)
		}
	}
}
