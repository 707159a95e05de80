package cli_test

import (
	"fmt"
	"strings"
)

const (
	openWeb   = "allow other/cli > bad/web TCP 80\n" // nobody could read whom the policy isolates
	closedWeb = "deny other/cli > bad/web TCP 80\ndeny other/cli > bad/web\n" +
		"allow bad/web > other/cli TCP 80\n"
)

// hugeWrongs are the cases that would be no good as files: too long, too deep, or not text.
func hugeWrongs() []wrong {
	const document, peers = "wrong.yaml: document 1: ",
		"{podSelector: {matchLabels: {app: web}}, ingress: [{from: ["
	long := strings.Repeat("x", 1<<16)
	cut := func(n int) string { return long[:n-3] + "..." }
	rows := []wrong{
		{name: "aliases that multiply", content: bomb(), flows: openWeb,
			want: document + "parse YAML: yaml: document contains excessive aliasing"},
		{name: "100,000 levels", content: policyYAML(strings.Repeat("[", 100_000)), flows: openWeb,
			want: document + "parse YAML: yaml: line 4: exceeded max depth of 10000"},
		{name: "100,000 levels of JSON", file: "wrong.json",
			content: strings.Repeat(`{"a":`, 100_000), flows: openWeb,
			want: "wrong.json: document 1: parse JSON: invalid character '{' exceeded max depth"},
		{name: "all bytes", content: allBytes(), flows: openWeb,
			want: document + "not UTF-8: expected YAML or JSON in UTF-8"},
		{name: "UTF-16", content: "\xff\xfek\x00i\x00n\x00d\x00", flows: openWeb,
			want: document + "not UTF-8: expected YAML or JSON in UTF-8"},
		{name: "a zero byte", content: policyYAML("{}\x00"), flows: openWeb,
			want: document + "parse YAML: yaml: control characters are not allowed"},
		{name: "1 MiB in an annotation", content: strings.Replace(
			policyYAML("{podSelector: {matchLabels: {app: web}}}"), "name: p",
			"name: p, annotations: {a: "+strings.Repeat("x", 1<<20)+"}", 1),
			flows: closedWeb},
		{name: "10,000 blocks", content: policyYAML(peers +
			numbered(10_000, "{ipBlock: {cidr: 100.%d.%d.1/32}}") + "]}]}"),
			flows:          closedWeb + "allow 100.0.1.1 > bad/web\ndeny 100.0.1.2 > bad/web",
			withoutOpinion: true},
		{name: "2,000 blocks that are none", content: policyYAML(peers +
			numbered(2000, "{ipBlock: {cidr: 100.%d.%d.1/33}}") + "]}]}"),
			flows: closedWeb, withoutOpinion: true, want: lines(20, func(i int) string {
				return fmt.Sprintf(
					`NetworkPolicy bad/p: spec.ingress[0].from[%d].ipBlock.cidr: Invalid value: "100.0.%d.1/33": is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`, i, i)
			}) +
				`NetworkPolicy bad/p: spec: Invalid value: "...": 1980 more problems, told once these are mended`},
		{name: "2,000 ports", content: policyYAML(
			"{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [" +
				lines(2000, func(i int) string { return fmt.Sprintf("{port: %d},", 1001+2*i) }) +
				"]}]}"),
			flows: "deny other/cli > bad/web TCP 80\nallow other/cli > bad/web TCP 1001\n" +
				"deny other/cli > bad/web TCP 1002\nallow other/cli > bad/web TCP 4999\n",
			withoutOpinion: true},
		{name: "500 selectors", content: policyYAML(peers +
			numbered(500, "{podSelector: {matchLabels: {a: x%d-%d}}}") + "]}]}"), flows: closedWeb,
			withoutOpinion: true},
		{name: "a CIDR of 64 KiB", content: policyYAML(peers + "{ipBlock: {cidr: " + long +
			"}}]}]}"), flows: closedWeb,
			want: `NetworkPolicy bad/p: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "` +
				cut(200) +
				`": is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`},
		{name: "a label of 64 KiB", content: policyYAML(peers +
			"{podSelector: {matchLabels: {app: " + long + "}}}]}]}"), flows: closedWeb,
			want: `NetworkPolicy bad/p: spec.ingress[0].from[0].podSelector: Invalid value: "{\"matchLabels\":{\"app\":\"` + long[:200-3-len(`{"matchLabels":{"app":"`)] + `...": values[0][app]: Invalid value: "` + long[:500-3-len(`values[0][app]: Invalid value: "`)] + "...; until this is mended the peer matches nobody"},
		{name: "a name of 64 KiB", content: strings.Replace(
			policyYAML("{podSelector: {matchLabels: {app: web}}}"), "name: p", "name: "+long, 1),
			flows: closedWeb,
			want: document + "NetworkPolicy bad/" + cut(300) + `: metadata.name "` + cut(300) +
				`": expected a DNS subdomain (RFC 1123); until this is mended the policy isolates its pods and allows nothing`},
		{name: "a kind of 64 KiB", content: "apiVersion: v1\nkind: " + long + "\n", flows: openWeb},
		{name: "an apiVersion of 64 KiB", content: "kind: Pod\napiVersion: " + long + "\n",
			flows: openWeb,
			want:  document + `apiVersion "` + cut(300) + `" of kind Pod: expected v1`},
		{name: "2,000 fields that nobody knows", content: policyYAML(
			"{podSelector: {matchLabels: {app: web}}, ingress: [{" +
				numbered(2000, "x%02d-%03d: 1") + "}]}"), flows: closedWeb,
			want: lines(10, func(i int) string {
				return document +
					fmt.Sprintf(
						"NetworkPolicy bad/p: spec.ingress[0].x00-%03d: is no field of the API; "+
							"expected from or ports; until this is mended the policy isolates "+
							"its pods "+
							"and allows nothing", i)
			}) + document + "NetworkPolicy bad/p: … and 1990 more, told once these are mended; " +
				"until this is mended the policy isolates its pods and allows nothing"},
	}
	for i := range rows {
		rows[i].name, rows[i].subjects = "huge/"+rows[i].name, []string{"bad/web"}
		if rows[i].file == "" {
			rows[i].file = "wrong.yaml"
		}
		if rows[i].want != "" {
			rows[i].want += "\n"
		}
	}
	return rows
}

func policyYAML(spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" +
		"metadata: {namespace: bad, name: p}\nspec: " + spec + "\n"
}

// numbered lists items with two numbers each, of which the second is below 250.
func numbered(count int, format string) string {
	items := make([]string, count)
	for i := range items {
		items[i] = fmt.Sprintf(format, i/250, i%250)
	}
	return strings.Join(items, ", ")
}

func lines(count int, line func(int) string) string {
	var b strings.Builder
	for i := range count {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

// bomb is a document of a few lines that a careless parser makes a billion strings of.
func bomb() string {
	text := policyYAML("{}") + "a0: &a0 x\n"
	for i := range 9 {
		text += fmt.Sprintf("a%d: &a%[1]d [%s]\n", i+1,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text
}

func allBytes() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}
