package compile

import (
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Form says how chains are written. The zero value is the default form for the backend that can do
// the least.
type Form struct {
	ruleset.Form                // what the backend can hold
	Denial       ruleset.Denial // what happens to a denied packet
	MergeAbove   int            // a chain with more rules than this is merged; 0: 16
	Budgets      Budgets        // what policies may need; zero: DefaultBudgets
	PodCount     PodCount       // how many pods there are; nil: none
}

// PodCount returns how many pods of the cluster meet a demand.
type PodCount func(policy.Demand) int

// defaultMergeAbove is how many rules a person reads and a packet passes without much
// cost.
const defaultMergeAbove = 16

// Limits returns the budgets that are in force.
func (f Form) Limits() Budgets {
	if f.Budgets == (Budgets{}) {
		f.Budgets = DefaultBudgets()
	}
	return f.Budgets.Within(f.Form)
}

// RoundedCount returns the count of pods, rounded as the budgets say.
func (f Form) RoundedCount() PodCount {
	b := f.Limits()
	return func(d policy.Demand) int {
		if f.PodCount == nil {
			return b.MinPods
		}
		return b.Round(f.PodCount(d))
	}
}

// merges reports whether a chain with this many rules is merged.
func (f Form) merges(rules int) bool {
	if f.MergeAbove == 0 {
		f.MergeAbove = defaultMergeAbove
	}
	return rules > f.MergeAbove
}
