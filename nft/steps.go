package nft

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Steps splits a delta into the transactions that it is carried out in: one, where there is no
// reason for more.
//
// A packet takes the rules of chains as they were when it came (nft_do_chain reads one generation),
// but looks up in sets and maps as they are by then. So a transaction is atomic for rules and not
// for what they look up:
//
//	fillings    members of large new sets, which nothing looks up yet
//	groundwork  new chains that are about to be led to; pods that are known no more
//	closings    peers whose coming or going denies, where others may allow what they deny
//	the rest
//	openings    peers whose coming or going allows, where others may deny what they allow
//	clearance   maps that only packets with the rules of before still look up, and their chains
func Steps(d ruleset.Delta) []ruleset.Delta { return steps(d, firstMembers) }

// firstMembers is how many members a new set has at first, if it will have more.
const firstMembers = 2048

// steps is Steps; a large new set has atFirst members at first. A delta that changes the frame is
// one transaction, so that packets never meet a part of it.
func steps(d ruleset.Delta, atFirst int) []ruleset.Delta {
	if d.Frame {
		return []ruleset.Delta{d}
	}
	fillings, rest := splitFillings(d, atFirst)
	first, rest := splitGroundwork(rest)
	rest, last := splitClearance(rest)
	closings, rest, openings := splitPeers(rest)
	empty := func(d ruleset.Delta) bool { return d.Empty() }
	return slices.DeleteFunc(append(fillings, first, closings, rest, openings, last), empty)
}

// splitFillings splits large new sets off: some members, then as many again as are there, and so
// on. The kernel's hash tables grow between transactions only: to add 100,000 elements in one takes
// 1.7 times as long (Linux 6.18).
func splitFillings(d ruleset.Delta, atFirst int) (fillings []ruleset.Delta, rest ruleset.Delta) {
	rest = d
	rest.AddSets = nil
	for _, s := range d.AddSets {
		if !growsLate(s.ID) || len(s.Members) <= atFirst {
			rest.AddSets = append(rest.AddSets, s)
			continue
		}
		all := s.Members
		s.Members = all[:atFirst]
		fillings = append(fillings, ruleset.Delta{AddSets: []ruleset.Set{s}})
		for have := atFirst; have < len(all); have *= 2 {
			more := ruleset.Members{Set: s.ID, Members: all[have:min(2*have, len(all))]}
			fillings = append(fillings, ruleset.Delta{AddMembers: []ruleset.Members{more}})
		}
	}
	return fillings, rest
}

// growsLate reports whether the kernel keeps a set in a hash table, and nothing that could lead a
// packet elsewhere is in it.
func growsLate(id ruleset.SetID) bool {
	return id.Kind == ruleset.Addresses || id.Kind == ruleset.AddressPorts
}

// splitGroundwork splits off what goes before the rest. What is looked up anew must not lead a
// packet into a chain that had no rules when the packet came, and an address that is known no more
// must not be found free meanwhile.
func splitGroundwork(d ruleset.Delta) (first, rest ruleset.Delta) {
	rest = d
	if len(d.DelDispatch) > 0 {
		first.DelMembers, rest.DelMembers = partition(d.DelMembers, ofKnownPods)
	}
	if leadsElsewhere(d) {
		isNew := func(c ruleset.PutChain) bool { return c.New }
		first.PutChains, rest.PutChains = partition(d.PutChains, isNew)
	}
	if len(first.PutChains) > 0 {
		first.AddSets, rest.AddSets = d.AddSets, nil
	}
	return first, rest
}

// splitClearance splits off what goes after the rest. A packet with the rules of before would find
// a map empty that goes together with those rules.
func splitClearance(d ruleset.Delta) (rest, last ruleset.Delta) {
	rest = d
	if slices.ContainsFunc(d.DelSets, ruleset.SetID.Leads) {
		goes := func(m ruleset.Members) bool { return slices.Contains(d.DelSets, m.Set) }
		last.DelMembers, rest.DelMembers = partition(d.DelMembers, goes)
		last.DelSets, rest.DelSets = d.DelSets, nil
		last.DelChains, rest.DelChains = d.DelChains, nil
	}
	return rest, last
}

// splitPeers splits off what must go before and after the rest, where some rules deny or pass on what
// others allow: a packet might find a peer not denied yet by one rule, and allowed already by the
// next. Where rules only allow, one that finds some peers of before and some of after is allowed
// only what it was or will be.
func splitPeers(d ruleset.Delta) (closings, rest, openings ruleset.Delta) {
	rest = d
	closes := func(m ruleset.Members) bool { return m.Closes && isOfPeers(m.Set) }
	opens := func(m ruleset.Members) bool { return m.Opens && isOfPeers(m.Set) }
	// Only rules that do not allow close by what comes, or open by what goes.
	if !slices.ContainsFunc(d.AddMembers, closes) && !slices.ContainsFunc(d.DelMembers, opens) {
		return closings, rest, openings
	}
	closings.AddMembers, rest.AddMembers = partition(rest.AddMembers, onlyCloses)
	closings.DelMembers, rest.DelMembers = partition(rest.DelMembers, onlyCloses)
	openings.AddMembers, rest.AddMembers = partition(rest.AddMembers, onlyOpens)
	openings.DelMembers, rest.DelMembers = partition(rest.DelMembers, onlyOpens)
	return closings, rest, openings
}

// onlyCloses reports whether a change of peers can deny, and can allow nothing.
func onlyCloses(m ruleset.Members) bool { return m.Closes && !m.Opens && isOfPeers(m.Set) }

// onlyOpens reports whether a change of peers can allow, and can deny nothing.
func onlyOpens(m ruleset.Members) bool { return m.Opens && !m.Closes && isOfPeers(m.Set) }

// isOfPeers reports whether rules of chains speak of the members of a set.
func isOfPeers(id ruleset.SetID) bool {
	return !id.Leads() && !id.IsKnownPods() && id != ruleset.LocalRange(id.Family)
}

// leadsElsewhere reports whether packets that were not free before look something up anew: what
// leads from one chain to another, or makes pods of a strict program known.
func leadsElsewhere(d ruleset.Delta) bool {
	leads := func(m ruleset.Members) bool { return m.Set.Leads() || ofKnownPods(m) }
	moves := len(d.DelDispatch) > 0 && len(d.AddDispatch) > 0
	return moves || slices.ContainsFunc(d.AddMembers, leads)
}

// ofKnownPods reports whether members are addresses of pods that a strict program knows.
func ofKnownPods(m ruleset.Members) bool { return m.Set.IsKnownPods() }

// partition splits a list into the items that are so and the others.
func partition[T any](list []T, is func(T) bool) (those, others []T) {
	for _, item := range list {
		if is(item) {
			those = append(those, item)
		} else {
			others = append(others, item)
		}
	}
	return those, others
}
