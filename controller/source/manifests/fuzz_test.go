package manifests

import "testing"

// FuzzLoad: any bytes, read as YAML and as JSON, give objects and problems but no
// panic, every object has a name that an API server takes, a problem is one line,
// and reading the same bytes again changes nothing.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		podsYAML("a", "b"), policyYAML + "---\n" + broken, "--- {a: 1}\n...\nb: 2", "a: &a [*a]",
		"? {a: b}\n: c", "!!binary x: y",
		`{"apiVersion":"v1","kind":"List",` +
			`"items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}},null,5]}`,
		`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicyList",` +
			`"items":[{"metadata":{"name":"a"},"spec":{"ingress":[{"ports":[{"port":{}}]}]}}]}`,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: x}\n" +
			"spec: {containers: [{resources: {limits: {cpu: 1e999}}}]}\n",
		"\xef\xbb\xbf%YAML 1.1\n---\n\xff", "apiVersion: v1\nkind: Pod\nkind: Node\n" +
			"metadata: {name: .nan, <<: {name: a}}\n",
		"x: &x {a: &y {b: 1}, c: 1}\nkind: NetworkPolicy\n" +
			"spec: {a: 1, <<: [*x, *y, {<<: *x, c: 2}], b: 2, b: 3}\n",
		"x: &x {<<: *x}\nkind: NetworkPolicy\ny: {a: 1, <<: *x, a: 2}\n",
		`{"kind":"NetworkPolicy","kind":"Pod","a":[{"b":1,"b":{}}],"a":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"f.yaml", "f.json"} {
			s, name := newState(), fileID{path: name}
			s.extras = true
			s.setContent(name, data)
			u, _ := s.takeUpdate()
			for _, c := range u.Changes {
				if err := checkNames(c.Key); err != nil || c.Gone() {
					t.Errorf("%s: %v", c.Key, err)
				}
			}
			for _, p := range u.Problems {
				if line := p.Error(); line != oneLine(line) {
					t.Errorf("not one line: %q", line)
				}
			}
			before := s.files[name]
			// Without its documents, so that all is parsed again.
			s.files[name] = file{stated: before.stated, good: before.good}
			s.setContent(name, data)
			if again, _ := s.takeUpdate(); len(again.Changes) > 0 {
				t.Errorf("changes by themselves: %v", again.Changes)
			}
		}
	})
}
