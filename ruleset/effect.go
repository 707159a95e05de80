package ruleset

// Members is some elements of one set that stays, which come or go; what that can do follows from
// the actions of the rules that use the set. Added and Removed make it.
type Members struct {
	Set     SetID
	Members []Member // sorted, not empty
	Opens   bool     // packets may pass that did not before
	Closes  bool     // packets may no longer pass that did before
}

// Added returns members that come into a set, of which rules with these actions speak or, if it
// leads to chains, that are in those.
func Added(id SetID, members []Member, by Actions) Members {
	by = id.actions(by)
	return Members{Set: id, Members: members, Opens: by.open(), Closes: by.close()}
}

// Removed returns members that go from a set, like Added.
func Removed(id SetID, members []Member, by Actions) Members {
	by = id.actions(by)
	return Members{Set: id, Members: members, Opens: by.close(), Closes: by.open()}
}

// actions returns what is done to packets of the members of a set: for a set that base chains look
// addresses up in what these do, else what its rules do.
func (id SetID) actions(rules Actions) Actions {
	switch {
	case id.Fixed(): // whom the base chains know is no peer of a rule
		return 0
	case id.IsKnownPods():
		return ActionsOf(Accept)
	case id == LocalRange(id.Family):
		return ActionsOf(Deny)
	default:
		return rules
	}
}

// uses says for each set of a program what is done to packets of its members.
type uses map[SetID]Actions

// usesOf looks at all chains of a program: at rules for the sets of their peers, and for those that
// lead to chains at all that these, and the chains that they lead to, can do.
func usesOf(p *Program) uses {
	by := uses{}
	for _, c := range p.Chains {
		for r := range c.Rules() {
			by[r.Peer.Set] = by[r.Peer.Set].Union(ActionsOf(r.Action))
		}
	}
	for _, s := range p.Sets {
		for _, m := range s.Members {
			if s.ID.Leads() {
				by[s.ID] = by[s.ID].Union(p.reach(m.Chain, 0))
			}
		}
	}
	return by
}

// reach returns what a chain, and those that it leads to, can do to a packet.
func (p *Program) reach(id ChainID, depth int) Actions {
	if depth > MaxCalls {
		return anyAction
	}
	c := p.chain(id)
	all := c.Actions()
	for call := range c.Calls() {
		all = all.Union(p.reach(call.Chain, depth+1))
	}
	for lookup := range c.Lookups() {
		for _, m := range p.set(lookup.Set).Members {
			all = all.Union(p.reach(m.Chain, depth+1))
		}
	}
	return all
}
