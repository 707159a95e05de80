package compile_test

import (
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/ruleset/policy"
)

// wrong is a policy of namespace a with something that cannot be understood.
type wrong struct {
	field    string // of the API, and what is wrong with it
	spec     string // YAML
	problems string // one a line
	flows    string // what works nevertheless, in cluster; see check
	syntax   bool   // it is about the alphabet of labels, which the oracle does not know
}

const (
	untilTypes    = `: expected Ingress or Egress; until this is mended the policy isolates in both directions`
	untilSubjects = `; until this is mended the policy isolates every pod that the rest of the selector matches, and allows nothing`
	untilPeer     = `; until this is mended the peer matches nobody`
	notCIDR       = `: is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`
	mappedCIDR    = `: is IPv4 in the shape of IPv6; write it as an IPv4 CIDR, such as 1.2.3.0/24`
	noPeer        = `: Invalid value: "{}": expected podSelector, namespaceSelector or ipBlock; to allow every peer leave the whole list out`
	operatorWords = ` is not a valid label selector operator: expected In, NotIn, Exists or DoesNotExist`
	twoPeers      = `: Invalid value: "ipBlock with a selector": a peer is either an ipBlock or selectors; write two peers`
	valuesMissing = `for 'in', 'notin' operators, values set can't be empty`
	valuesTooMany = `values set must be empty for exists and does not exist`
	labelAlphabet = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`
	nameExamples  = ` (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`
	valueExamples = ` (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`
	portAlphabet  = `: is neither a number nor a port name: must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`
	oneLetter     = `must contain at least one letter (a-z)`
	protocolWords = `: expected TCP, UDP or SCTP`
)

// What nobody can reach but the pod itself and its node.
const closed = `
	deny ab/cli > a/web TCP 80
	deny ab/cli@6 > a/web@6
	deny a/db > a/web TCP 80
	allow a/web > a/web TCP 80
	allow n1 > a/web TCP 80
	allow n1@6 > a/web@6`

// corpus is every kind of wrong input, seeds of FuzzCompile too.
var corpus = slices.Concat(wrongSubjects, wrongPeers, wrongBlocks, wrongPorts)

func TestParseReportsWhatIsWrongAndKeepsTheRest(t *testing.T) {
	for _, row := range corpus {
		t.Run(row.field, func(t *testing.T) {
			w := cluster(t)
			w.Policies = append(w.Policies, netpol(t, "a/p "+row.spec))
			var lines []string
			for _, p := range policy.Parse(w.Policies[0]).Problems {
				lines = append(lines, p.Error.Error())
			}
			if got, want := strings.Join(lines, "\n"),
				strings.TrimSpace(row.problems); got != want {
				t.Errorf("problems:\n%s\nwant:\n%s", got, want)
			}
			check(t, w, row.flows)
			if !row.syntax {
				agree(t, w)
			}
		})
	}
}

// A port that is neither a number nor a name cannot come from JSON, but from the API's
// protobuf.
func TestPortOfUnknownType(t *testing.T) {
	w := cluster(t)
	p := netpol(t, "a/p {podSelector: {}}")
	port := &intstr.IntOrString{Type: 7, IntVal: 80, StrVal: "web"}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: port}}}}
	w.Policies = append(w.Policies, p)
	got := policy.Parse(p).Problems
	if want := "spec.ingress[0].ports[0].port: Invalid value: 7: is neither a number nor a name"; len(got) != 1 || got[0].Error.Error() != want {
		t.Errorf("%v, want %s", got, want)
	}
	check(t, w, closed)
	agree(t, w)
}

// One bad policy holds up nobody: the others mean what they would mean without it.
func TestWrongPoliciesLeaveTheOthersAlone(t *testing.T) {
	for _, row := range corpus {
		w := cluster(t)
		w.Policies = append(w.Policies, netpol(t, "a/p "+row.spec),
			netpol(t,
				"a/sound {ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 82}]}]}"),
			netpol(t, "ab/sound {policyTypes: [Egress], egress: [{ports: [{port: 82}]}]}"))
		check(t, w, `
			allow ab/cli > a/web TCP 82
			deny  ab/cli > 8.8.8.8 TCP 81
			allow ab/cli > 8.8.8.8 TCP 82`)
	}
}

var wrongSubjects = []wrong{{
	field: "spec.policyTypes: an unknown one isolates in both directions",
	spec: "{policyTypes: [Sideways], ingress: [{ports: [{port: 80}]}], egress: [{ports: " +
		"[{port: 81}]}]}",
	problems: `spec.policyTypes[0]: Invalid value: "Sideways"` + untilTypes,
	flows: `
		allow ab/cli > a/web TCP 80
		deny  ab/cli > a/web TCP 81
		allow a/web > 8.8.8.8 TCP 81
		deny  a/web > 8.8.8.8 TCP 80`,
}, {
	field:    "spec.policyTypes: an empty one",
	spec:     "{policyTypes: ['']}",
	problems: `spec.policyTypes[0]: Invalid value: ""` + untilTypes,
	flows:    closed + "\ndeny a/web > 8.8.8.8",
}, {
	field:    "spec.policyTypes: letter case counts",
	spec:     "{policyTypes: [Ingress, egress]}",
	problems: `spec.policyTypes[1]: Invalid value: "egress"` + untilTypes,
	flows:    closed + "\ndeny a/web > 8.8.8.8",
}, {
	field: "spec.podSelector: unknown operator",
	spec: "{podSelector: {matchExpressions: [{key: app, operator: Near, values: [db]}]}, " +
		"ingress: [{}]}",
	problems: `spec.podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Near","values":["db"]}]}: "Near"` + operatorWords + untilSubjects,
	flows:    closed + "\ndeny ab/cli > a/db TCP 80\nallow a/web > ab/cli TCP 80",
}, {
	field: "spec.podSelector: In without values, beside a sound part",
	spec: "{podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: " +
		"In}, {key: tier, operator: DoesNotExist}]}, ingress: [{}], egress: [{}]}",
	problems: `spec.podSelector: Invalid value: {"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In"},{"key":"tier","operator":"DoesNotExist"}]}: ` +
		`values: Invalid value: null: ` + valuesMissing + untilSubjects,
	flows: closed + "\nallow ab/cli > a/db TCP 80\ndeny a/web > ab/cli TCP 80",
}, {
	field: "spec.podSelector: Exists with values",
	spec: "{podSelector: {matchExpressions: [{key: app, operator: Exists, values: [db]}]}, " +
		"ingress: [{}]}",
	problems: `spec.podSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists","values":["db"]}]}: values: Invalid value: ["db"]: ` + valuesTooMany + untilSubjects,
	flows:    closed,
}, {
	field: "spec.podSelector: an empty key",
	spec:  "{podSelector: {matchLabels: {'': db}}, ingress: [{}]}",
	problems: `spec.podSelector: Invalid value: {"matchLabels":{"":"db"}}: key: Invalid value: "": name part must be non-empty; name part ` +
		labelAlphabet + nameExamples + untilSubjects,
	flows: closed,
}, {
	field: "spec.podSelector: a value that no label can have",
	spec:  "{podSelector: {matchLabels: {app: 'd b'}}, ingress: [{}]}",
	problems: `spec.podSelector: Invalid value: {"matchLabels":{"app":"d b"}}: values[0][app]: Invalid value: "d b": a valid label must be an empty string or ` +
		strings.TrimPrefix(labelAlphabet, "must ") + valueExamples + untilSubjects,
	flows:  closed,
	syntax: true,
}}
