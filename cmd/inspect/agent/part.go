package agent

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/picket-project/picket/ruleset"
)

// ProgramOf is the part of what the kernel should hold that is of one pod: its chains, those that they
// lead to, the sets that these speak of, and by which addresses packets are led there. It is empty
// if no policy selects the pod.
func (s *State) ProgramOf(pod string) *ruleset.Program {
	p := part{calls: newCalls(s.Program), chains: map[ruleset.ChainID]bool{},
		sets: map[ruleset.SetID]bool{}}
	for _, c := range s.Program.Chains {
		if c.Subject == pod {
			p.take(c.ID)
		}
	}
	// The order is that of the whole program.
	of := &ruleset.Program{}
	for _, x := range s.Program.Sets {
		if p.sets[x.ID] {
			of.Sets = append(of.Sets, x)
		}
	}
	for _, c := range s.Program.Chains {
		if p.chains[c.ID] {
			of.Chains = append(of.Chains, c)
		}
	}
	for _, d := range s.Program.Dispatch {
		if p.chains[d.Chain] {
			of.Dispatch = append(of.Dispatch, d)
		}
	}
	return of
}

// part is which chains and sets belong to a part of a program.
type part struct {
	calls
	chains map[ruleset.ChainID]bool
	sets   map[ruleset.SetID]bool
}

// take adds a chain, and all that it leads to and speaks of.
func (p part) take(id ruleset.ChainID) {
	chain, there := p.calls.chains[id]
	if !there || p.chains[id] {
		return
	}
	p.chains[id] = true
	for _, step := range chain.Steps {
		switch step := step.(type) {
		case ruleset.Rule:
			p.sets[step.Peer.Set] = true
		case ruleset.Lookup:
			p.sets[step.Set] = true
		}
	}
	for to := range p.next(chain) {
		p.take(to)
	}
}

// CheckNames returns an error if a chain or a set of a program has a name that no agent gives it: in
// a text that a program reads, it could say anything.
func CheckNames(p *ruleset.Program) error {
	c := newCalls(p)
	var names []string
	for id, chain := range c.chains {
		names = append(names, string(id))
		for to := range c.next(chain) {
			names = append(names, string(to))
		}
		for _, step := range chain.Steps {
			switch step := step.(type) {
			case ruleset.Rule:
				names = append(names, step.Peer.Set.String())
			case ruleset.Lookup:
				names = append(names, step.Set.String())
			}
		}
	}
	for id, set := range c.sets {
		names = append(names, id.String())
		for _, m := range set.Members {
			// An address of IPv6 can have a zone, which is any text.
			names = append(names, string(m.Chain), m.Addr.Zone(), m.Last.Zone())
		}
	}
	for _, d := range p.Dispatch {
		names = append(names, string(d.Chain), d.Addr.Zone())
	}
	for _, name := range names {
		if strings.ContainsFunc(name, isOdd) {
			return fmt.Errorf("%q is no name of rules; expected letters, digits and /_.-", name)
		}
	}
	return nil
}

// isOdd reports whether a character is in no name of a chain or set.
func isOdd(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) &&
		!strings.ContainsRune("/_.-", r)
}
