package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// listing is what the nft program says of a small table.
const listing = `{"nftables": [{"metainfo": {"version": "1.0.6"}},
{"table": {"family": "inet", "name": "picket", "handle": 1, "flags": ["owner"]}},
{"set": {"family": "inet", "name": "pods4-a", "table": "picket", "type": "ipv4_addr", "handle": 2, "elem": ["10.0.0.2", "10.0.0.1"]}},
{"map": {"family": "inet", "name": "egress4", "table": "picket", "type": "ipv4_addr", "handle": 3, "map": "verdict",
  "elem": [[{"elem": {"val": "10.0.0.1", "comment": "c"}}, {"jump": {"target": "c"}}]]}},
{"chain": {"family": "inet", "table": "picket", "name": "forward", "handle": 4}},
{"rule": {"family": "inet", "table": "picket", "chain": "forward", "handle": 5, "expr": [{"counter": {"packets": 1, "bytes": 2}}, {"drop": null}]}},
{"rule": {"family": "inet", "table": "picket", "chain": "forward", "handle": 6, "expr": [{"accept": null}]}},
{"chain": {"family": "ip", "table": "picket", "name": "other", "handle": 7}}]}`

func TestRulesetIsCanonical(t *testing.T) {
	same := [][2]string{
		{`"handle": 5`, `"handle": 55`},
		{`"packets": 1`, `"packets": 100`},
		{`["owner"]`, `["owner", "unknown"]`},
		{`"10.0.0.2", "10.0.0.1"`, `"10.0.0.1", "10.0.0.2"`},
		{`"name": "other"`, `"name": "another"`},
	}
	for _, edit := range same {
		if diff := difference(canonicalText(t, listing), canonicalText(t, edited(t, edit))); diff != "" {
			t.Errorf("%q:\n%s", edit, diff)
		}
	}
	for _, edit := range [][2]string{
		{`["owner"]`, `["dormant"]`},
		{`"10.0.0.2", `, ``},
		{`{"drop": null}`, `{"accept": null}`},
		{`"target": "c"`, `"target": "d"`},
		{`"name": "forward"`, `"name": "backward"`},
	} {
		if canonicalText(t, listing) == canonicalText(t, edited(t, edit)) {
			t.Errorf("%q makes no difference", edit)
		}
	}
}

func edited(t *testing.T, edit [2]string) string {
	t.Helper()
	text := strings.Replace(listing, edit[0], edit[1], 1)
	if text == listing {
		t.Fatalf("no %s", edit[0])
	}
	return text
}

func canonicalText(t *testing.T, listing string) string {
	t.Helper()
	objects, err := parseObjects(listing)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(objects)
}

func TestMutationsSpeakOfWhatIsThere(t *testing.T) {
	objects, err := parseObjects(listing)
	if err != nil {
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
