package compile_test

var wrongPorts = []wrong{{
	field:    "spec.ingress[].ports[].protocol: one without ports",
	spec:     "{ingress: [{ports: [{protocol: ICMP}]}]}",
	problems: `spec.ingress[0].ports[0].protocol: Invalid value: "ICMP"` + protocolWords,
	flows:    closed,
}, {
	field:    "spec.ingress[].ports[].protocol: letter case counts, beside a sound entry",
	spec:     "{ingress: [{ports: [{protocol: tcp, port: 80}, {port: 81}]}]}",
	problems: `spec.ingress[0].ports[0].protocol: Invalid value: "tcp"` + protocolWords,
	flows: `
		deny  ab/cli > a/web TCP 80
		allow ab/cli > a/web TCP 81
		deny  ab/cli > a/web`,
}, {
	field:    "spec.ingress[].ports[].protocol: empty is not absent",
	spec:     "{ingress: [{ports: [{protocol: '', port: 80}]}]}",
	problems: `spec.ingress[0].ports[0].protocol: Invalid value: ""` + protocolWords,
	flows:    closed,
}, {
	field: "spec.ingress[].ports[].port: 0, -1 and 65536",
	spec:  "{ingress: [{ports: [{port: 0}, {port: -1}, {port: 65536}, {port: 65535}]}]}",
	problems: `spec.ingress[0].ports[0].port: Invalid value: 0: expected 1 to 65535
spec.ingress[0].ports[1].port: Invalid value: -1: expected 1 to 65535
spec.ingress[0].ports[2].port: Invalid value: 65536: expected 1 to 65535`,
	flows: `
		deny  ab/cli > a/web TCP 80
		deny  ab/cli > a/web TCP 1
		allow ab/cli > a/web TCP 65535`,
}, {
	field:    "spec.ingress[].ports[].endPort: below port",
	spec:     "{ingress: [{ports: [{port: 80, endPort: 79}]}]}",
	problems: `spec.ingress[0].ports[0].endPort: Invalid value: 79: expected 80 (port) to 65535`,
	flows:    closed + "\ndeny ab/cli > a/web TCP 79",
}, {
	field: "spec.egress[].ports[].endPort: past the last port",
	spec: "{policyTypes: [Egress], egress: [{ports: [{protocol: UDP, port: 53}]}, {ports: " +
		"[{port: 80, endPort: 65536}]}]}",
	problems: `spec.egress[1].ports[0].endPort: Invalid value: 65536: expected 80 (port) to 65535`,
	flows: `
		allow a/web > 8.8.8.8 UDP 53
		deny  a/web > 8.8.8.8 TCP 80
		deny  a/web > 8.8.8.8 TCP 65535`,
}, {
	field:    "spec.ingress[].ports[].endPort: without port",
	spec:     "{ingress: [{ports: [{endPort: 90}]}]}",
	problems: `spec.ingress[0].ports[0].endPort: Invalid value: 90: needs port to start the range`,
	flows:    closed,
}, {
	field:    "spec.ingress[].ports[].endPort: with a port name",
	spec:     "{ingress: [{ports: [{port: web, endPort: 90}]}]}",
	problems: `spec.ingress[0].ports[0].endPort: Invalid value: 90: goes with a port number only, and port is a name`,
	flows:    closed,
}, {
	field:    "spec.ingress[].ports[].port: an empty name is not every port",
	spec:     "{ingress: [{ports: [{port: ''}]}]}",
	problems: `spec.ingress[0].ports[0].port: Invalid value: ""` + portAlphabet + ", " + oneLetter,
	flows:    closed,
}, {
	field:    "spec.ingress[].ports[].port: a number in quotes",
	spec:     "{ingress: [{ports: [{port: '80'}]}]}",
	problems: `spec.ingress[0].ports[0].port: Invalid value: "80": is neither a number nor a port name: ` + oneLetter,
	flows:    closed,
}, {
	field: "spec.egress[].ports[].port: names that no container may have",
	spec: "{policyTypes: [Egress], egress: [{ports: [{port: Web}, {port: a--b}, {port: " +
		"sixteen-letters1}, {port: web}]}]}",
	problems: `spec.egress[0].ports[0].port: Invalid value: "Web"` + portAlphabet + `
spec.egress[0].ports[1].port: Invalid value: "a--b": is neither a number nor a port name: must not contain consecutive hyphens
spec.egress[0].ports[2].port: Invalid value: "sixteen-letters1": is neither a number nor a port name: must be no more than 15 characters`,
	flows: `
		allow a/web > a/api TCP 8080
		deny  a/web > a/api TCP 80
		deny  a/web > 8.8.8.8 TCP 80`,
}, {
	field: "all over: the problems come in the order of the fields",
	spec: `{policyTypes: [Egress, Up], podSelector: {matchExpressions: [{key: app, operator: Is}]},
		ingress: [{from: [{}], ports: [{port: 0}]}], egress: [{to: [{ipBlock: {cidr: x}}], ports: [{protocol: GRE}]}]}`,
	problems: `spec.policyTypes[1]: Invalid value: "Up"` + untilTypes + `
spec.podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Is"}]}: "Is"` + operatorWords + untilSubjects + `
spec.ingress[0].from[0]` + noPeer + `
spec.ingress[0].ports[0].port: Invalid value: 0: expected 1 to 65535
spec.egress[0].to[0].ipBlock.cidr: Invalid value: "x"` + notCIDR + `
spec.egress[0].ports[0].protocol: Invalid value: "GRE"` + protocolWords,
	flows: closed + "\ndeny a/web > 8.8.8.8",
}}
