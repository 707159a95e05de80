package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/picket-project/picket/e2e/listing"
)

// small is a table with one of each kind of object.
const small = `[
{"set": {"name": "pods4-a", "elem": ["10.0.0.2", "10.0.0.1"]}},
{"map": {"name": "egress4", "elem": [[{"elem": {"val": "10.0.0.1", "comment": "c"}}, {"jump": {"target": "c"}}]]}},
{"chain": {"name": "forward"}},
{"rule": {"chain": "forward", "handle": 5}},
{"rule": {"chain": "forward", "handle": 6}}]`

func TestMutationsSpeakOfWhatIsThere(t *testing.T) {
	var objects []listing.Object
	if err := json.Unmarshal([]byte(small), &objects); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	m := mutator{rand.New(rand.NewPCG(1, 1)), objects}
	for range 1000 {
		seen[m.script()] = true
	}
	for _, want := range []string{
		"delete rule inet picket forward handle 6", "delete element inet picket egress4 { 10.0.0.1 }",
		"delete element inet picket pods4-a { 10.0.0.2 }", "flush chain inet picket forward", "flush map inet picket egress4", "flush ruleset",
	} {
		if !seen[want] {
			t.Errorf("never: %s", want)
		}
	}
	empty := mutator{rand.New(rand.NewPCG(1, 1)), nil}
	for range 1000 {
		if script := empty.script(); strings.Contains(script, "nil") || strings.Contains(script, "%") {
			t.Errorf("of an empty table: %s", script)
		}
	}
}

func TestElementsAsText(t *testing.T) {
	for want, element := range map[string]any{
		"10.0.0.1":       "10.0.0.1",
		"10.0.0.0/8":     map[string]any{"prefix": map[string]any{"addr": "10.0.0.0", "len": 8}},
		"::1-::9":        map[string]any{"range": []any{"::1", "::9"}},
		"::1 . tcp . 80": map[string]any{"elem": map[string]any{"val": map[string]any{"concat": []any{"::1", "tcp", 80}}}},
		"10.0.0.2":       []any{map[string]any{"elem": map[string]any{"val": "10.0.0.2"}}, map[string]any{"accept": nil}},
	} {
		if got := elementText(element); got != want {
			t.Errorf("%v: %s, want %s", element, got, want)
		}
	}
}
