package iptables

import (
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// What was applied is what is observed, and a second process has nothing to do but to learn the
// rules: it sends none.
func TestObserveWhatWasApplied(t *testing.T) {
	for _, denial := range []ruleset.Denial{ruleset.Drop, ruleset.Reject} {
		t.Run(denial.String(), func(t *testing.T) {
			newNetns(t)
			p := sample(denial)
			converge(t, Open(Options{}), p)
			next := Open(Options{})
			d := left(t, next, p)
			if d.Frame || len(d.AddSets)+len(d.DelSets)+len(d.AddMembers)+len(d.DelMembers)+
				len(d.AddDispatch)+len(d.DelDispatch)+len(d.DelChains) > 0 {
				t.Errorf("a second process wants\n%s", d.String())
			}
			steps, err := next.next(d)
			if err != nil || len(steps) > 0 {
				t.Errorf("it would send %v, %v", steps, err)
			}
		})
	}
}
