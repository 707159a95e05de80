package ruleset

import (
	"maps"
	"net/netip"
	"slices"
)

// Scope is a part of all connections: those with an end that is one of its addresses. A change of
// the program can have forbidden these and no others. The zero value is none.
type Scope struct {
	all    bool
	addrs  map[netip.Addr]bool
	ranges []Member
}

// Everything is the scope of all connections.
func Everything() Scope { return Scope{all: true} }

// ScopeOf returns the connections that a delta can have forbidden, where subjects tells which
// addresses are judged by a chain: those of subjects that have other rules or are newly isolated,
// and of peers that went. What only allows more is not in it, but a chain whose rules were
// replaced counts as having lost some.
func ScopeOf(d Delta, subjects func(ChainID) []netip.Addr) Scope {
	s := Scope{all: d.Frame, addrs: map[netip.Addr]bool{}}
	for _, c := range d.PutChains {
		for _, a := range subjects(c.ID) {
			s.addrs[a] = true
		}
	}
	for _, e := range d.AddDispatch {
		s.addrs[e.Addr] = true
	}
	s.takeIn(d, d.DelMembers, subjects)
	return s
}

// takeIn adds the peers that come or go, and the subjects whose ports do.
func (s *Scope) takeIn(d Delta, changes []Members, subjects func(ChainID) []netip.Addr) {
	for _, change := range changes {
		switch {
		case change.Set.Fixed():
			continue // whom the base chains know is no peer of a rule
		// its chains go with it, or somebody else has changed it
		case change.Set.Kind == PortRanges:
			s.all = s.all || !slices.Contains(d.DelSets, change.Set)
			continue
		case change.Set.Kind == PortMap:
			for _, a := range subjects(ChainID(change.Set.Key)) {
				s.addrs[a] = true
			}
			continue
		}
		for _, m := range change.Members {
			if change.Set.Kind == Ranges {
				s.ranges = append(s.ranges, m)
			} else {
				s.addrs[m.Addr] = true
			}
		}
	}
}

// TouchedBy returns the connections whose verdict a delta can have changed, to either.
func TouchedBy(d Delta, subjects func(ChainID) []netip.Addr) Scope {
	s := ScopeOf(d, subjects)
	for _, e := range d.DelDispatch {
		s.addrs[e.Addr] = true
	}
	s.takeIn(d, d.AddMembers, subjects)
	return s
}

// Union returns the connections of both.
func (s Scope) Union(o Scope) Scope {
	if s.all || o.all {
		return Everything()
	}
	addrs := maps.Clone(s.addrs)
	if addrs == nil {
		addrs = map[netip.Addr]bool{}
	}
	maps.Copy(addrs, o.addrs)
	return Scope{addrs: addrs, ranges: slices.Concat(s.ranges, o.ranges)}
}

// Empty reports whether no connection is in it.
func (s Scope) Empty() bool { return !s.all && len(s.addrs)+len(s.ranges) == 0 }

// Covers reports whether the connection is in it.
func (s Scope) Covers(c Connection) bool {
	return s.Has(c.From.Addr()) || s.Has(c.To.Addr())
}

// ScopeOfAddrs returns the scope of all connections with one of these ends.
func ScopeOfAddrs(addrs ...netip.Addr) Scope {
	s := Scope{addrs: map[netip.Addr]bool{}}
	for _, a := range addrs {
		s.addrs[a] = true
	}
	return s
}

// Addrs lists the ends of its connections, where they can be listed.
func (s Scope) Addrs() (addrs []netip.Addr, listed bool) {
	if s.all || len(s.ranges) > 0 {
		return nil, false
	}
	return slices.Collect(maps.Keys(s.addrs)), true
}

// Has reports whether all connections with this end are in it.
func (s Scope) Has(a netip.Addr) bool {
	return s.all || s.addrs[a] || slices.ContainsFunc(s.ranges, func(m Member) bool {
		return Range{m.Addr, m.Last}.Contains(a)
	})
}
