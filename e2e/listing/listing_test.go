package listing

import (
	"os"
	"strings"
	"testing"
)

// small is what the nft program says of a small table.
func small(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/small.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRulesetIsCanonical(t *testing.T) {
	same := [][2]string{
		{`"handle": 5`, `"handle": 55`},
		{`"packets": 1`, `"packets": 100`},
		{`["owner"]`, `["owner", "unknown"]`},
		{`"10.0.0.2", "10.0.0.1"`, `"10.0.0.1", "10.0.0.2"`},
		{`"name": "other"`, `"name": "another"`},
	}
	for _, edit := range same {
		if diff := Difference(canonicalText(t, small(t)), canonicalText(t, edited(t, edit))); diff != "" {
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
		if canonicalText(t, small(t)) == canonicalText(t, edited(t, edit)) {
			t.Errorf("%q makes no difference", edit)
		}
	}
}

func edited(t *testing.T, edit [2]string) string {
	t.Helper()
	text := strings.Replace(small(t), edit[0], edit[1], 1)
	if text == small(t) {
		t.Fatalf("no %s", edit[0])
	}
	return text
}

func canonicalText(t *testing.T, text string) string {
	t.Helper()
	objects, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return Canonical(objects)
}
