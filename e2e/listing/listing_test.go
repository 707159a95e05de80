package listing

import (
	"strings"
	"testing"
)

// small is what the nft program says of a small table: in words, and of sets and maps.
const small = `
table ip picket { # handle 1
	flags dormant
}
table inet picket { # handle 1
	flags owner

	set pods4-a { # handle 2
		type ipv4_addr
		elements = { 10.0.0.1, 10.0.0.2 }
	}

	chain forward { # handle 4
		type filter hook forward priority filter; policy accept;
		tcp dport { 80, 443 } counter packets 1 bytes 2 drop comment "a" # handle 5
		accept # handle 6
	}
}
table inet other { # handle 1
	chain other { # handle 7
		accept # handle 8
	}
}
---
{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "pods4-a", "table": "picket", "type": "ipv4_addr", "handle": 2, "elem": ["10.0.0.2", "10.0.0.1"]}}]}
{"nftables": [{"map": {"family": "inet", "name": "egress4", "table": "picket", "type": "ipv4_addr", "handle": 3, "map": "verdict",
  "elem": [[{"elem": {"val": "10.0.0.1", "comment": "c"}}, {"jump": {"target": "c"}}]]}}]}`

// said plays the nft program.
func said(text string) Nft {
	words, sets, _ := strings.Cut(text, "---\n")
	return func(_ string, options ...string) (string, error) {
		if options[0] == "-j" {
			return sets, nil
		}
		return words, nil
	}
}

func TestRulesetIsCanonical(t *testing.T) {
	same := [][2]string{
		{"# handle 5", "# handle 55"},
		{"packets 1 bytes 2", "packets 100 bytes 2000"},
		{"flags owner", "flags owner,unknown"},
		{`"10.0.0.2", "10.0.0.1"`, `"10.0.0.1", "10.0.0.2"`},
		{"chain other", "chain another"},
	}
	for _, edit := range same {
		if diff := Difference(canonicalText(t, small), canonicalText(t, edited(t, edit))); diff != "" {
			t.Errorf("%q:\n%s", edit, diff)
		}
	}
	for _, edit := range [][2]string{
		{"flags owner", "flags dormant"},
		{`"10.0.0.2", `, ``},
		{"drop", "accept"},
		{"{ 80, 443 }", "{ 80 }"},
		{`"target": "c"`, `"target": "d"`},
		{"chain forward", "chain backward"},
		{"policy accept", "policy drop"},
	} {
		if canonicalText(t, small) == canonicalText(t, edited(t, edit)) {
			t.Errorf("%q makes no difference", edit)
		}
	}
}

func edited(t *testing.T, edit [2]string) string {
	t.Helper()
	text := strings.Replace(small, edit[0], edit[1], 1)
	if text == small {
		t.Fatalf("no %s", edit[0])
	}
	return text
}

func canonicalText(t *testing.T, text string) string {
	t.Helper()
	objects, err := Read(said(text))
	if err != nil {
		t.Fatal(err)
	}
	return Canonical(objects)
}

func TestNoTable(t *testing.T) {
	for _, text := range []string{"", "table ip picket {\n}\n", "table inet picket2 {\n}\n"} {
		if objects, err := Read(said(text)); err != nil || len(objects) > 0 {
			t.Errorf("%q: %v, %v", text, objects, err)
		}
	}
}
