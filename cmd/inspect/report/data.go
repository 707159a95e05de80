package report

import (
	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
)

// Data is what the page holds. A number is an index in the list of that name; a row is a number in
// Rows, and a set of groups or of targets.
type Data struct {
	Source string `json:"source"`
	Made   string `json:"made"`
	// Whose pods the targets, the coverage and the findings are; empty: everybody's.
	Namespace string `json:"namespace"`
	// Sets as bits in base64, bit 0 of a byte first.
	Rows []string `json:"rows"`
	// Labels that a selector looks at, each once.
	Labels [][2]string `json:"labels"`
	Spaces []Space     `json:"spaces"`
	// Sorted by namespace.
	Workloads []Workload `json:"workloads"`
	Groups    []Group    `json:"groups"`
	Targets   []Target   `json:"targets"`
	// Between namespaces with workloads; closed ones, too.
	Edges []Edge `json:"edges"`

	Policies  []Policy   `json:"policies"`
	Rules     []Rule     `json:"rules"`
	Selectors []Selector `json:"selectors"`
	Needs     []Need     `json:"needs"`
	Ports     []Ports    `json:"ports"`

	// Workloads on their nodes' network.
	Host     []string        `json:"host"`
	Coverage coverage.Report `json:"coverage"`
	Findings []lint.Finding  `json:"findings"`
	Diff     *reach.Diff     `json:"diff"`
}

// Space is a namespace. The last one is the internet, which is no namespace.
type Space struct {
	Name   string `json:"name"`
	Labels []int  `json:"labels"`
	// It is no object, so its labels are not known.
	Implied bool `json:"implied"`
	Outside bool `json:"outside"`
}

// Workload is the pods of one workload, or the internet.
type Workload struct {
	// As namespace/name.
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Space int    `json:"space"`
}

// Group is pods of one workload that every policy treats alike.
type Group struct {
	Workload int `json:"workload"`
	// Names without the namespace.
	Pods   []string `json:"pods"`
	Labels []int    `json:"labels"`
	// IP families: 4, 6.
	Families []int `json:"families"`
	// Policies that isolate it, by direction.
	By map[string][]int `json:"by"`
	// Those that are audited, and select it: they isolate nobody, and open nothing.
	Audits map[string][]int `json:"audits"`
	// Row of targets that its egress lets it reach.
	Out int `json:"out"`
	// Row of those of them that the audited policies would deny it.
	OutAudited int `json:"outAudited"`
	// Its address may not be its own alone, so its policies need not explain a verdict.
	Disputed bool `json:"disputed"`
}

// Target is a port of a group.
type Target struct {
	Group int `json:"group"`
	// Port is tcp/8080, or other: packets without a port, such as ICMP.
	Port string `json:"port"`
	// Name that the pods give it.
	Name string `json:"name"`
	// Row of groups that its ingress lets in.
	In int `json:"in"`
	// Row of those of them that the audited policies would deny.
	InAudited int `json:"inAudited"`
	// "other" of a group that declares ports: not shown in the grid.
	Extra bool `json:"extra"`
}

// Edge is how many pairs of workloads of two namespaces there are, how many are open, and of how
// many of these audited policies would deny a part at least.
type Edge struct {
	From    int `json:"from"`
	To      int `json:"to"`
	All     int `json:"all"`
	Some    int `json:"some"`
	Audited int `json:"audited"`
	Pairs   int `json:"pairs"`
}

// Policy is a policy with its rules, by direction.
type Policy struct {
	Name string `json:"name"`
	// A part of it matches nothing.
	Broken bool             `json:"broken"`
	Rules  map[string][]int `json:"rules"`
}

// Rule is an entry of spec.ingress or spec.egress.
type Rule struct {
	Policy int `json:"policy"`
	Index  int `json:"index"`
	// Every peer.
	Any bool `json:"any"`
	// Selectors.
	Peers []int `json:"peers"`
	// The ipBlocks as they are written.
	Blocks []string `json:"blocks"`
	// Rows of groups in the ipBlocks, by their IPv4 and IPv6 address.
	In    [2]int `json:"in"`
	Ports int    `json:"ports"`
}

// Selector selects pods that meet all of its needs.
type Selector struct {
	Text  string `json:"text"`
	Needs []int  `json:"needs"`
}

// Need is one requirement of a selector. On says of what: of a pod, of its namespace, or of the
// namespace's name.
type Need struct {
	// What it is about: pod, namespace or name.
	On  string `json:"on"`
	Key string `json:"key"`
	// What it has to be: frontend, or "no label app".
	Wants string `json:"wants"`
	// Row of groups.
	Met int `json:"met"`
}

// Ports is the ports of a rule.
type Ports struct {
	Text string `json:"text"`
	// Row of targets.
	Met int `json:"met"`
	// The same for an ipBlock, for which port names mean nothing.
	ByNumber int `json:"byNumber"`
}
