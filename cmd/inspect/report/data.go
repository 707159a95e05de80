package report

import (
	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
)

// Data is what the page holds. A number is an index in the list of that name; a row is a number in
// Rows, and a set of groups or of targets.
type Data struct {
	Source    string      `json:"source"`
	Made      string      `json:"made"`
	Rows      []string    `json:"rows"`   // sets as bits in base64, bit 0 of a byte first
	Labels    [][2]string `json:"labels"` // that a selector looks at, each once
	Spaces    []Space     `json:"spaces"`
	Workloads []Workload  `json:"workloads"` // sorted by namespace
	Groups    []Group     `json:"groups"`
	Targets   []Target    `json:"targets"`
	Edges     []Edge      `json:"edges"` // between namespaces, nobody reaches nobody left out

	Policies  []Policy   `json:"policies"`
	Rules     []Rule     `json:"rules"`
	Selectors []Selector `json:"selectors"`
	Needs     []Need     `json:"needs"`
	Ports     []Ports    `json:"ports"`

	Host     []string        `json:"host"` // workloads on their nodes' network
	Coverage coverage.Report `json:"coverage"`
	Findings []lint.Finding  `json:"findings"`
	Diff     *reach.Diff     `json:"diff"`
}

// Space is a namespace. The last one is the internet, which is no namespace.
type Space struct {
	Name    string `json:"name"`
	Labels  []int  `json:"labels"`
	Implied bool   `json:"implied"` // it is no object, so its labels are not known
	Outside bool   `json:"outside"`
}

// Workload is the pods of one workload, or the internet.
type Workload struct {
	Name  string `json:"name"` // namespace/name
	Kind  string `json:"kind"`
	Space int    `json:"space"`
}

// Group is pods of one workload that every policy treats alike.
type Group struct {
	Workload int              `json:"workload"`
	Pods     []string         `json:"pods"` // names without the namespace
	Labels   []int            `json:"labels"`
	Families []int            `json:"families"` // 4, 6
	By       map[string][]int `json:"by"`       // policies that isolate it, by direction
	Out      int              `json:"out"`      // row of targets that its egress lets it reach
	Disputed bool             `json:"disputed"` // others state its address, too
}

// Target is a port of a group.
type Target struct {
	Group int    `json:"group"`
	Port  string `json:"port"`  // tcp/8080, or other: packets without a port, such as ICMP
	Name  string `json:"name"`  // that the pods give it
	In    int    `json:"in"`    // row of groups that its ingress lets in
	Extra bool   `json:"extra"` // "other" of a group that declares ports: not shown in the grid
}

// Edge is how many pairs of workloads of two namespaces there are, and how many are open.
type Edge struct {
	From  int `json:"from"`
	To    int `json:"to"`
	All   int `json:"all"`
	Some  int `json:"some"`
	Pairs int `json:"pairs"`
}

// Policy is a policy with its rules, by direction.
type Policy struct {
	Name   string           `json:"name"`
	Broken bool             `json:"broken"` // a part of it matches nothing
	Rules  map[string][]int `json:"rules"`
}

// Rule is an entry of spec.ingress or spec.egress.
type Rule struct {
	Policy int      `json:"policy"`
	Index  int      `json:"index"`
	Any    bool     `json:"any"`    // every peer
	Peers  []int    `json:"peers"`  // selectors
	Blocks []string `json:"blocks"` // ipBlocks as they are written
	In     [2]int   `json:"in"`     // rows of groups in the ipBlocks, by their IPv4 and IPv6 address
	Ports  int      `json:"ports"`
}

// Selector selects pods that meet all of its needs.
type Selector struct {
	Text  string `json:"text"`
	Needs []int  `json:"needs"`
}

// Need is one requirement of a selector. On says of what: of a pod, of its namespace, or of the
// namespace's name.
type Need struct {
	On    string `json:"on"` // pod, namespace or name
	Key   string `json:"key"`
	Wants string `json:"wants"` // frontend; no label app
	Met   int    `json:"met"`   // row of groups
}

// Ports is the ports of a rule.
type Ports struct {
	Text     string `json:"text"`
	Met      int    `json:"met"`      // row of targets
	ByNumber int    `json:"byNumber"` // the same for an ipBlock, for which port names mean nothing
}
