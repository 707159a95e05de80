package listing

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is what the nft program says of a small table, and of others.
const small = `table ip picket { # handle 1
	flags dormant
}
table inet picket { # progname picket # handle 1
	flags owner

	set pods4-a { # handle 2
		type ipv4_addr
		elements = { 10.0.0.1,
			     10.0.0.2 }
	}

	map egress4 { # handle 3
		type ipv4_addr : verdict
		elements = { 10.0.0.1 comment "a, b" : jump c, 10.0.0.9 : accept }
	}

	set cut4 { # handle 7
		type ipv4_addr
		elements = { 10.0.0.5 }
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
`

// said plays the nft program.
func said(text string) Nft {
	return func(...string) (string, error) { return text, nil }
}

func TestEveryObjectIsRead(t *testing.T) {
	want := []Object{
		{Kind: "table", Name: "picket", Text: []string{"flags owner"}},
		{Kind: "set", Name: "pods4-a", Handle: "2", Text: []string{"type ipv4_addr"},
			Elements: []string{"10.0.0.1", "10.0.0.2"}},
		{Kind: "map", Name: "egress4", Handle: "3", Text: []string{"type ipv4_addr : verdict"},
			Elements: []string{`10.0.0.1 comment "a, b" : jump c`, "10.0.0.9 : accept"}},
		{Kind: "chain", Name: "forward", Handle: "4",
			Text: []string{"type filter hook forward priority filter; policy accept;"}},
		{Kind: "rule", Name: "forward", Handle: "5",
			Text: []string{`tcp dport { 80, 443 } counter packets 1 bytes 2 drop comment "a"`}},
		{Kind: "rule", Name: "forward", Handle: "6", Text: []string{"accept"}},
	}
	objects, err := Read(said(small))
	if err != nil {
		t.Fatal(err)
	}
	objects[0].Handle = "" // of no use
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Error(diff)
	}
}

func TestHalfAListingIsAnError(t *testing.T) {
	if objects, err := Read(said(small[:strings.Index(small, "accept #")])); err == nil {
		t.Errorf("%v", objects)
	}
}

func TestKeys(t *testing.T) {
	for element, want := range map[string]string{
		`10.0.0.1 comment "c" : jump c`: "10.0.0.1",
		"10.0.0.2 : accept":             "10.0.0.2",
		"10.0.0.0/8":                    "10.0.0.0/8",
		`::1 . tcp . 80 comment "c"`:    "::1 . tcp . 80",
		"::1-::9":                       "::1-::9",
	} {
		if got := Key(element); got != want {
			t.Errorf("%s: %s, want %s", element, got, want)
		}
	}
}

func TestRulesetIsCanonical(t *testing.T) {
	same := [][2]string{
		{"# handle 5", "# handle 55"},
		{"packets 1 bytes 2", "packets 100 bytes 2000"},
		{"flags owner", "flags owner,unknown"},
		{"10.0.0.1,\n\t\t\t     10.0.0.2", "10.0.0.2, 10.0.0.1"},
		{"10.0.0.5", "10.0.0.6"},
		{"chain other", "chain another"},
	}
	for _, edit := range same {
		if diff := Difference(canonicalText(t, small),
			canonicalText(t, edited(t, edit))); diff != "" {
			t.Errorf("%q:\n%s", edit, diff)
		}
	}
	for _, edit := range [][2]string{
		{"flags owner", "flags dormant"},
		{"10.0.0.1,\n", "\n"},
		{"drop", "accept"},
		{"{ 80, 443 }", "{ 80 }"},
		{"jump c", "jump d"},
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
