package agent

import (
	"errors"
	"iter"

	"github.com/picket-project/picket/ruleset"
)

// mostSteps is to how many steps chains may lead: as many as a node has room for. A few chains that
// each call the next one ten times are more than anybody can follow.
const mostSteps = 1 << 21

// errCalls refuses a program that no agent makes.
var errCalls = errors.New("its chains lead in circles, too deep, or to too much; expected the rules of " +
	"an agent")

// calls follows what the chains of a program lead to.
type calls struct {
	chains map[ruleset.ChainID]*ruleset.Chain
	sets   map[ruleset.SetID]*ruleset.Set
	known  map[ruleset.ChainID]extent
}

// extent is how deep a chain leads, and how many steps there are in it and in what it leads to.
type extent struct{ depth, steps int }

// newCalls finds the chains and sets of a program by their names.
func newCalls(p *ruleset.Program) calls {
	c := calls{map[ruleset.ChainID]*ruleset.Chain{}, map[ruleset.SetID]*ruleset.Set{},
		map[ruleset.ChainID]extent{}}
	for i := range p.Chains {
		c.chains[p.Chains[i].ID] = &p.Chains[i]
	}
	for i := range p.Sets {
		c.sets[p.Sets[i].ID] = &p.Sets[i]
	}
	return c
}

// checkCalls returns an error for a program whose chains nobody can follow to their ends.
func checkCalls(p *ruleset.Program) error {
	c := newCalls(p)
	for id := range c.chains {
		if _, err := c.follow(id, 0); err != nil {
			return err
		}
	}
	return nil
}

// follow measures a chain that so many others have led to. A circle is one that leads too deep.
func (c calls) follow(id ruleset.ChainID, depth int) (e extent, err error) {
	if depth > ruleset.MaxCalls {
		return e, errCalls
	}
	e, known := c.known[id]
	chain, there := c.chains[id]
	if !known && there {
		e.steps = len(chain.Steps)
		for to := range c.next(chain) {
			below, err := c.follow(to, depth+1)
			if err != nil {
				return e, err
			}
			e = extent{max(e.depth, below.depth+1), e.steps + below.steps}
			// It is given up before the number overflows.
			if e.steps > mostSteps {
				return e, errCalls
			}
		}
		c.known[id] = e
	}
	if depth+e.depth > ruleset.MaxCalls {
		return e, errCalls
	}
	return e, nil
}

// next goes through the chains that a chain leads to, as often as it does.
func (c calls) next(chain *ruleset.Chain) iter.Seq[ruleset.ChainID] {
	return func(yield func(ruleset.ChainID) bool) {
		for _, step := range chain.Steps {
			switch step := step.(type) {
			case ruleset.Call:
				if !yield(step.Chain) {
					return
				}
			case ruleset.Lookup:
				// Each port of the set can lead elsewhere.
				if s := c.sets[step.Set]; s != nil {
					for _, m := range s.Members {
						if !yield(m.Chain) {
							return
						}
					}
				}
			}
		}
	}
}
