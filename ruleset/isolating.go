package ruleset

import "slices"

// Isolating returns the part of the delta to a program that ends nobody's isolation: a subject is
// dispatched on, to another chain at most, and what that needs stays. A pod that is known stays so,
// too, and so do the fixed sets, and the peers that rules only deny. Nobody who has a chain gets one
// that audits: those of its policies that are enforced may not have been read yet.
func (d Delta) Isolating(want *Program) Delta {
	d = d.withoutAudits(want)
	moved := map[Subject]bool{}
	for _, e := range d.AddDispatch {
		moved[Subject{e.Direction, e.Addr}] = true
	}
	d.DelDispatch = slices.DeleteFunc(slices.Clone(d.DelDispatch), func(e Dispatch) bool {
		return !moved[Subject{e.Direction, e.Addr}]
	})
	d.DelMembers = slices.DeleteFunc(slices.Clone(d.DelMembers), func(m Members) bool {
		return m.Set.IsKnownPods() || m.Set.Fixed() || slices.Contains(d.DelSets, m.Set) ||
			m.Opens && !m.Closes && !m.Set.HoldsRanges()
	})
	d.DelLinks, d.DelChains, d.DelSets = nil, nil, nil
	return d
}

// withoutAudits returns a delta without what makes chains audit that were there, and without what
// dispatches subjects of other chains to those that audit. What these chains look up stays as it is.
func (d Delta) withoutAudits(want *Program) Delta {
	kept := map[SetID]bool{}
	for _, c := range d.PutChains {
		kept[PortsOf(c.ID)] = c.audits() && !c.New
	}
	d.PutChains = slices.DeleteFunc(slices.Clone(d.PutChains), func(c PutChain) bool {
		return kept[PortsOf(c.ID)]
	})
	ofKept := func(m Members) bool { return kept[m.Set] }
	d.AddMembers = slices.DeleteFunc(slices.Clone(d.AddMembers), ofKept)
	d.DelMembers = slices.DeleteFunc(slices.Clone(d.DelMembers), ofKept)
	had, stay := map[Subject]bool{}, map[Subject]bool{}
	for _, e := range d.DelDispatch {
		had[Subject{e.Direction, e.Addr}] = true
	}
	for _, e := range d.AddDispatch {
		s := Subject{e.Direction, e.Addr}
		stay[s] = had[s] && want.chain(e.Chain).audits()
	}
	stays := func(e Dispatch) bool { return stay[Subject{e.Direction, e.Addr}] }
	d.AddDispatch = slices.DeleteFunc(slices.Clone(d.AddDispatch), stays)
	d.DelDispatch = slices.DeleteFunc(slices.Clone(d.DelDispatch), stays)
	return d
}

// audits reports whether a chain lets pass what its rules do not speak of, and counts it.
func (c Chain) audits() bool { return c.End == EndAudit }
