package cli

import (
	"context"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
)

// diffReport is the answer of diff.
type diffReport struct {
	reach.Diff
	Live *liveReport `json:"live,omitempty"` // where agents were asked
}

// liveReport is what a change cuts of what is open, and which agents could not be asked.
type liveReport struct {
	reach.Live
	NotAsked []unasked `json:"notAsked"`
}

// live asks the agents which connections are open, where a cluster was read and a change can cut them.
func (o *diffOptions) live(ctx context.Context, d reach.Diff, before, after *ask.Cluster) *liveReport {
	// Over --base nothing is live. What is open can be to a port that nobody declares.
	if o.noLive || o.Given() || len(d.Policies) == 0 && d.Empty() {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, o.reach.patience)
	defer stop()
	report := &liveReport{NotAsked: []unasked{}}
	fleet, _, err := o.fleet(o.reach)
	if err == nil {
		// Each agent tells of its own node, and some may not answer.
		var answers []agent.Connections
		if answers, report.NotAsked, err = connectionsOf(ctx, fleet); err == nil {
			report.Live = reach.CompareLive(before, after, answers)
		}
	}
	// What is cut is known all the same; what is open is not, and is said not to be.
	if err != nil {
		report.Cuts = []reach.LiveCut{}
		report.NotAsked = append(report.NotAsked, unasked{"every agent", err.Error()})
	}
	return report
}
