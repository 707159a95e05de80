package ruleset

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The longest names of Kubernetes: a namespace is an RFC 1123 label, a pod's name a subdomain.
const (
	longestNamespace = 63
	longestPod       = 253
)

func TestChainName(t *testing.T) {
	tests := []struct {
		namespace, pod string
		want           ChainID
	}{
		{"default", "web-0", "egress/default/web-0"},
		{"a", "b.c", "egress/a/b.c"},
		// 110 bytes
		{"default", strings.Repeat("x", 95), ChainID("egress/default/" + strings.Repeat("x", 95))},
		{"default", strings.Repeat("x", 96), ChainID("egress/default/" + strings.Repeat("x", 68) +
			"_" +
			Digest("egress/default/"+strings.Repeat("x", 96)))},
	}
	for _, test := range tests {
		if got := NewChainID(Egress, test.namespace, test.pod); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// The nft program reads a name as one word if it begins with a letter and goes on with these
// characters (its scanner's rule for strings).
var chainName = regexp.MustCompile(`^(ingress|egress)/[a-z0-9/._-]+$`)

func TestChainNamesDoNotCollide(t *testing.T) {
	long := strings.Repeat("p", MaxChainID)
	pods := []struct{ namespace, pod string }{
		{"a", "bc"}, {"ab", "c"}, {"abc", "d"}, {"a", "b-c"}, {"a-b", "c"}, {"a", "b.c"},
		{"a", "a"}, {"egress", "ingress"}, {"ingress", "egress"},
		{"a", long + "x"}, {"a", long + "y"}, {"a", long}, {"a", long[1:]}, {"ap", long[1:]},
		{strings.Repeat("n", longestNamespace), strings.Repeat("p", longestPod)},
		{strings.Repeat("n", longestNamespace), strings.Repeat("p", longestPod-1)},
		{strings.Repeat("n", longestNamespace-1), strings.Repeat("p", longestPod)},
	}
	taken := map[ChainID]bool{}
	for _, d := range Directions {
		for _, p := range pods {
			id := NewChainID(d, p.namespace, p.pod)
			if taken[id] || len(id) > MaxChainID || !chainName.MatchString(string(id)) {
				t.Errorf("%s %s/%s: %q (%d bytes) is taken: %t", d, p.namespace, p.pod, id, len(id),
					taken[id])
			}
			taken[id] = true
		}
	}
}

func TestChainNamesAreAFunctionOfThePod(t *testing.T) {
	type pod struct {
		direction       Direction
		namespace, name string
	}
	pods := rapid.Custom(func(t *rapid.T) pod {
		name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,3}[a-z0-9])?`)
		filler := strings.Repeat("x", rapid.SampledFrom([]int{0, 90, 110, 200}).Draw(t, "filler"))
		return pod{rapid.SampledFrom(Directions[:]).Draw(t, "direction"), name.Draw(t, "namespace"),
			filler + name.Draw(t, "pod")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := pods.Draw(t, "a"), pods.Draw(t, "b")
		x, y := NewChainID(a.direction, a.namespace, a.name), NewChainID(b.direction, b.namespace,
			b.name)
		if (x == y) != (a == b) || len(x) > MaxChainID || !chainName.MatchString(string(x)) {
			t.Fatalf("%v → %s, %v → %s", a, x, b, y)
		}
	})
}

func TestDigest(t *testing.T) {
	// printf sample | sha256sum | cut -c-64 | xxd -r -p | base32 | cut -c-26 | tr A-Z a-z
	if got := Digest("sample"); got != "v4v5xynktnxmdyvn4hljj5a7y4" {
		t.Error(got)
	}
	if Digest("") == Digest(" ") || len(Digest("")) != 26 {
		t.Error(Digest(""), Digest(" "))
	}
}
