package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Keys that a document with a policy states twice are found, in YAML and in JSON.
func TestDuplicateKeys(t *testing.T) {
	const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
`
	const merged = "x-rules: &rules {podSelector: {a: b}, ingress: []}\n"
	for _, row := range []struct{ name, content, want string }{
		{"YAML", policy + "spec: {}\nspec: {podSelector: {}}\n",
			`line 5: key "spec" already set in map`},
		{"JSON", "{\"kind\":\"NetworkPolicy\",\n\"spec\":{\n\"ingress\":[],\n\"ingress\":[{}]}}",
			`line 4: key "ingress" already set in map`},
		{"JSON, of a list", `{"kind":"NetworkPolicyList","items":[{"a":1,"b":{"a":2}}],"items":[]}`,
			`line 1: key "items" already set in map`},
		{"JSON, in a list, by an escape",
			`{"kind":"\u004eetworkPolicy","a":[[{"b":1,"\u0062":2}]]}`,
			`line 1: key "b" already set in map`},
		{"JSON, one key in many mappings", `{"kind":"NetworkPolicy","a":{"a":[{"a":1},{"a":{}}]}}`,
			""},
		{"a merge", merged + policy + "spec: {<<: *rules}\n", ""},
		{"a merge with an override", merged + policy + "spec: {<<: *rules, ingress: [{}]}\n", ""},
		{"a merge of several", merged + policy +
			"spec: {<<: [*rules, {ingress: [{}]}], podSelector: {}}\n", ""},
		{"a merge and a key twice", merged + policy +
			"spec:\n  <<: *rules\n  ingress: []\n  ingress: [{}]\n",
			`line 8: key "ingress" already set in map`},
		{"a merge after what it overrides", merged + policy +
			"spec:\n  ingress: []\n  <<: *rules\n",
			`line 7: << after key "ingress", which it states too`},
		{"a merge after other keys", merged + policy +
			"spec: {policyTypes: [], <<: *rules, ingress: [{}]}\n", ""},
	} {
		c := split([]byte(row.content), false)[0]
		raw, got, err := toJSON(c)
		if err != nil || raw == nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if want := strings.TrimSpace(row.want +
			"; expected each key once"); row.want == "" && got != nil ||
			row.want != "" && (got == nil || got.Error() != want) {
			t.Errorf("%s: %v, want %s", row.name, got, row.want)
		}
	}
}

// A document of which a policy may be lost with the first of two keys is a Problem, though no
// policy is left in it.
func TestLostPolicyIsAProblem(t *testing.T) {
	for _, content := range []string{
		`{"apiVersion":"v1","kind":"List","items":[{"kind":"NetworkPolicy"}],"items":[]}`,
		"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nkind: Secret\n",
	} {
		s := newState()
		s.setContent(fileID{path: "f.yaml"}, []byte(content))
		u, _ := s.takeUpdate()
		if got := problems("", u.Problems); len(u.Problems) != 1 || !strings.HasSuffix(got,
			"a policy may be lost") {
			t.Errorf("%s: %q", content, got)
		}
	}
}

// FuzzDuplicateKeysInJSON: in any JSON the scanner finds what a decoder finds token by token.
func FuzzDuplicateKeysInJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"a":[]}`, `[{"a":{"b":"\"}","\u0062":-1.5e3}},{}]`,
		"{\n\"a\" :\ttrue , \"b\":null,\r\n\"a\":\"\\\\\"}", "5", ` "x" `, "[[],{}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if json.Unmarshal(text, new(json.RawMessage)) != nil {
			return
		}
		var want duplicateKeys
		tokenByToken(&want, json.NewDecoder(bytes.NewReader(text)), text)
		if got := duplicateKeysInJSON(text); fmt.Sprint(got) != fmt.Sprint(want.err()) {
			t.Errorf("%s: %v, want %v", text, got, want.err())
		}
	})
}

// tokenByToken adds the keys of one value.
func tokenByToken(r *duplicateKeys, d *json.Decoder, text []byte) {
	token, _ := d.Token()
	seen := map[string]bool{}
	for d.More() && (token == json.Delim('{') || token == json.Delim('[')) {
		if token == json.Delim('{') {
			key, _ := d.Token()
			r.add(seen, fmt.Sprint(key), func() int {
				return 1 +
					bytes.Count(text[:d.InputOffset()], []byte("\n"))
			})
		}
		tokenByToken(r, d, text)
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		_, _ = d.Token()
	}
}
