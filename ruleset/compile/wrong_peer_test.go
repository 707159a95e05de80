package compile_test

import "strings"

var wrongPeers = []wrong{{
	field:    "spec.ingress[].from[]: an empty entry is not every peer",
	spec:     "{ingress: [{from: [{}]}]}",
	problems: `spec.ingress[0].from[0]` + noPeer,
	flows:    closed,
}, {
	field:    "spec.egress[].to[]: an empty entry beside a sound one",
	spec:     "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 8.8.8.8/32}}, {}]}]}",
	problems: `spec.egress[0].to[1]` + noPeer,
	flows: `
		allow a/web > 8.8.8.8
		deny  a/web > 8.8.8.9
		deny  a/web > ab/cli TCP 80
		allow ab/cli > a/web TCP 80`,
}, {
	field:    "spec.ingress[].from[]: ipBlock with podSelector",
	spec:     "{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}]}]}",
	problems: `spec.ingress[0].from[0]` + twoPeers,
	flows:    closed,
}, {
	field: "spec.ingress[].from[]: ipBlock with namespaceSelector, both wrong too",
	spec: "{ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}, {from: [{ipBlock: " +
		"{cidr: x}, namespaceSelector: {matchLabels: {'': x}}}]}]}",
	problems: `
		spec.ingress[1].from[0]` + twoPeers,
	flows: `
		allow a/db > a/web TCP 80
		deny  ab/cli > a/web TCP 80`,
}, {
	field:    "spec.ingress[].from[].podSelector: unknown operator",
	spec:     "{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: exists}]}}]}]}",
	problems: `spec.ingress[0].from[0].podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"exists"}]}: "exists"` + operatorWords + untilPeer,
	flows:    closed,
}, {
	field: "spec.ingress[].from[].podSelector: NotIn of nothing is not everything",
	spec: "{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, " +
		"values: []}]}}]}]}",
	problems: `spec.ingress[0].from[0].podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"NotIn"}]}: values: Invalid value: null: ` + valuesMissing + untilPeer,
	flows:    closed,
}, {
	field: "spec.ingress[].from[].namespaceSelector: In without values, beside a sound entry",
	spec: "{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: " +
		"In}]}}, {podSelector: {matchLabels: {app: db}}}]}]}",
	problems: `spec.ingress[0].from[0].namespaceSelector: Invalid value: {"matchExpressions":[{"key":"team","operator":"In"}]}: values: Invalid value: null: ` + valuesMissing + untilPeer,
	flows: `
		allow a/db > a/web TCP 80
		deny  ab/cli > a/web TCP 80`,
}, {
	field: "spec.egress[].to[].namespaceSelector: DoesNotExist with values, beside a sound podSelector",
	spec: "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchExpressions: [{key: " +
		"none, operator: DoesNotExist, values: [x]}]}, podSelector: {}}]}]}",
	problems: `spec.egress[0].to[0].namespaceSelector: Invalid value: {"matchExpressions":[{"key":"none","operator":"DoesNotExist","values":["x"]}]}: ` +
		`values: Invalid value: ["x"]: ` + valuesTooMany + untilPeer,
	flows: `
		deny  a/web > ab/cli TCP 80
		deny  a/web > a/db TCP 80`,
}, {
	field: "spec.ingress[].from[]: both selectors are wrong",
	spec: "{ingress: [{from: [{podSelector: {matchExpressions: [{key: app}]}, " +
		"namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}]}]}",
	problems: `spec.ingress[0].from[0].podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":""}]}: ""` + operatorWords + untilPeer + `
spec.ingress[0].from[0].namespaceSelector: Invalid value: {"matchExpressions":[{"key":"team","operator":"In"}]}: values: Invalid value: null: ` + valuesMissing + untilPeer,
	flows: closed,
}, {
	field: "spec.ingress[].from[].podSelector: NotIn a value that no label can have",
	spec: "{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, " +
		"values: ['a b']}]}}]}]}",
	problems: `spec.ingress[0].from[0].podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"NotIn","values":["a b"]}]}: ` +
		`values[0][app]: Invalid value: "a b": a valid label must be an empty string or ` +
		strings.TrimPrefix(labelAlphabet, "must ") + valueExamples + untilPeer,
	flows:  closed,
	syntax: true,
}}

var wrongBlocks = []wrong{{
	field:    "spec.ingress[].from[].ipBlock.cidr: absent",
	spec:     "{ingress: [{from: [{ipBlock: {}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: ""` + notCIDR,
	flows:    closed,
}, {
	field:    "spec.ingress[].from[].ipBlock.cidr: no prefix length, beside a sound entry",
	spec:     "{ingress: [{from: [{ipBlock: {cidr: 10.244.2.3}}, {ipBlock: {cidr: 10.244.2.2/32}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.244.2.3"` + notCIDR,
	flows: `
		allow a/db > a/web TCP 80
		deny  ab/cli > a/web TCP 80`,
}, {
	field:    "spec.ingress[].from[].ipBlock.cidr: too long a prefix",
	spec:     "{ingress: [{from: [{ipBlock: {cidr: 10.244.2.3/33}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.244.2.3/33"` + notCIDR,
	flows:    closed,
}, {
	field:    "spec.ingress[].from[].ipBlock.cidr: a zone",
	spec:     "{ingress: [{from: [{ipBlock: {cidr: 'fe80::%eth0/64'}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "fe80::%eth0/64"` + notCIDR,
	flows:    closed + "\ndeny fe80::1 > a/web@6",
}, {
	field:    "spec.ingress[].from[].ipBlock.cidr: IPv4 in the shape of IPv6",
	spec:     "{ingress: [{from: [{ipBlock: {cidr: '::ffff:0:0/96'}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "::ffff:0:0/96"` + mappedCIDR,
	flows:    closed,
}, {
	field: "spec.ingress[].from[].ipBlock.except: one that is wrong spoils its block, not the others",
	spec: "{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.244.0.0/16, " +
		"'10.244.2.3']}}, {ipBlock: {cidr: 10.244.2.2/32}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "10.244.2.3"` + notCIDR,
	flows: `
		deny  8.8.8.8 > a/web TCP 80
		deny  ab/cli > a/web TCP 80
		allow a/db > a/web TCP 80`,
}, {
	field: "spec.ingress[].from[].ipBlock.except: outside of its cidr, in the other family; what " +
		"it means is certain",
	spec: "{ingress: [{from: [{ipBlock: {cidr: 8.0.0.0/8, except: [9.0.0.0/8, '::/0']}}]}]}",
	problems: `
		spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "9.0.0.0/8": takes nothing away; expected a part of 8.0.0.0/8
spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "::/0": takes nothing away; expected a part of 8.0.0.0/8`,
	flows: `
		allow 8.8.8.8 > a/web TCP 80
		deny  ab/cli > a/web TCP 80`,
}, {
	field: "spec.ingress[].from[].ipBlock.except: all of its cidr, and more",
	spec: "{ingress: [{from: [{ipBlock: {cidr: 8.0.0.0/8, except: [8.0.0.1/8]}}, {ipBlock: " +
		"{cidr: 10.0.0.0/8, except: [0.0.0.0/0]}}]}]}",
	problems: `
		spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "8.0.0.1/8": leaves nothing of 8.0.0.0/8; expected a smaller part of it
spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "0.0.0.0/0": leaves nothing of 10.0.0.0/8; expected a smaller part of it`,
	flows: closed + "\ndeny 8.8.8.8 > a/web TCP 80",
}, {
	field: "spec.ingress[].from[].ipBlock: cidr and excepts are wrong",
	spec: "{ingress: [{from: [{ipBlock: {cidr: all, except: ['', 8.8.8.8/32, " +
		"'::ffff:8.8.8.8/128']}}]}]}",
	problems: `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "all"` + notCIDR + `
spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: ""` + notCIDR + `
spec.ingress[0].from[0].ipBlock.except[2]: Invalid value: "::ffff:8.8.8.8/128"` + mappedCIDR,
	flows: closed + "\ndeny 8.8.8.8 > a/web\ndeny 8.8.8.9 > a/web",
}}
