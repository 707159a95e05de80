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
// addresses a chain decides about: those of subjects that have other rules or are newly isolated,
// and of peers whose coming or going closes something. What only allows more is not in it, but a
// chain whose steps were replaced counts as denying more.
func ScopeOf(d Delta, subjects func(ChainID) []netip.Addr) Scope {
	s := Scope{all: d.Frame, addrs: map[netip.Addr]bool{}}
	for _, c := range d.PutChains {
		s.add(subjects(c.ID)...)
	}
	for _, e := range d.AddDispatch {
		s.add(e.Addr)
	}
	for _, change := range slices.Concat(d.DelMembers, d.AddMembers) {
		if change.Closes {
			s.addChange(d, change, subjects)
		}
	}
	return s
}

// TouchedBy returns the connections whose verdict a delta can have changed, to either.
func TouchedBy(d Delta, subjects func(ChainID) []netip.Addr) Scope {
	s := ScopeOf(d, subjects)
	for _, e := range d.DelDispatch {
		s.add(e.Addr)
	}
	for _, change := range slices.Concat(d.DelMembers, d.AddMembers) {
		if change.Opens {
			s.addChange(d, change, subjects)
		}
	}
	return s
}

// add adds addresses.
func (s *Scope) add(addrs ...netip.Addr) {
	for _, a := range addrs {
		s.addrs[a] = true
	}
}

// addChange adds the peers that come or go, or the subjects whose ports do.
func (s *Scope) addChange(d Delta, change Members, subjects func(ChainID) []netip.Addr) {
	switch change.Set.Kind {
	case PortRanges: // its chains go with it, or somebody else has changed it
		s.all = s.all || !slices.Contains(d.DelSets, change.Set)
	case PortMap:
		s.add(subjects(ChainID(change.Set.Key))...)
	case Ranges:
		s.ranges = append(s.ranges, change.Members...)
	default:
		for _, m := range change.Members {
			s.add(m.Addr)
		}
	}
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
	s.add(addrs...)
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
