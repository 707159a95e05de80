package main

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/picket-project/picket/e2e/listing"
)

// small is a table with one of each kind of object.
var small = []listing.Object{
	{Kind: "set", Name: "pods4-a", Elements: []string{"10.0.0.2", "10.0.0.1"}},
	{Kind: "map", Name: "egress4", Elements: []string{`10.0.0.1 comment "c" : jump c`}},
	{Kind: "chain", Name: "forward"},
	{Kind: "rule", Name: "forward", Handle: "5"},
	{Kind: "rule", Name: "forward", Handle: "6"},
}

func TestMutationsSpeakOfWhatIsThere(t *testing.T) {
	seen := map[string]bool{}
	m := mutator{rand.New(rand.NewPCG(1, 1)), small}
	for range 1000 {
		seen[m.script()] = true
	}
	for _, want := range []string{
		"delete rule inet picket forward handle 6",
		"delete element inet picket egress4 { 10.0.0.1 }",
		"delete element inet picket pods4-a { 10.0.0.2 }", "flush chain inet picket forward",
		"flush map inet picket egress4", "flush ruleset",
	} {
		if !seen[want] {
			t.Errorf("never: %s", want)
		}
	}
	empty := mutator{rand.New(rand.NewPCG(1, 1)), nil}
	for range 1000 {
		if script := empty.script(); strings.Contains(script, "nil") ||
			strings.Contains(script, "%") {
			t.Errorf("of an empty table: %s", script)
		}
	}
}
