package report

import (
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
)

// Input is what a report is made of. Diff is nil where no change is looked at.
type Input struct {
	Cluster   *ask.Cluster
	Namespace string // of the receivers; empty: all
	Source    string // where the objects are from, for people
	Made      string // when, for people
	Findings  []lint.Finding
	Diff      *reach.Diff
}

// Report is everything at once. Its parts are the answers of other verbs.
type Report struct {
	Source     string          `json:"source"`
	Made       string          `json:"made"`
	Matrix     reach.Matrix    `json:"matrix"`
	Namespaces []Between       `json:"namespaces"`
	Coverage   coverage.Report `json:"coverage"`
	Findings   []lint.Finding  `json:"findings"`
	Diff       *reach.Diff     `json:"diff,omitempty"`
}

// Between says how many workloads of a namespace reach how many of another.
type Between struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Pairs of workloads with every declared port open.
	All int `json:"all"`
	// With a part of the ports, or for a part of the pods.
	Some int `json:"some"`
	// Open ones, of which audited policies would deny a part at least.
	Audited int `json:"audited"`
	// Of workloads that there are.
	Pairs int `json:"pairs"`
}

// Of makes a report.
func Of(in Input) (Report, error) {
	d, err := New(in)
	if err != nil {
		return Report{}, err
	}
	r := Report{Source: in.Source, Made: in.Made, Coverage: d.Coverage, Findings: d.Findings,
		Diff: d.Diff, Namespaces: []Between{},
		Matrix: reach.Workloads(in.Cluster, reach.Limits{Namespace: in.Namespace})}
	for _, e := range d.Edges {
		r.Namespaces = append(r.Namespaces, Between{d.Spaces[e.From].Name, d.Spaces[e.To].Name,
			e.All, e.Some, e.Audited, e.Pairs})
	}
	return r, nil
}
