package ruleset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Memory is a kernel in memory, for tests: it refuses what nftables refuses (adding what is
// there, deleting what is absent or in use, referring to what is absent) and is transactional.
// Its zero value is an empty kernel.
type Memory struct {
	Fail     error // when set, Apply changes nothing and returns it
	Applied  int   // transactions carried out
	frame    Condition
	strict   bool
	links    map[string]bool
	sets     map[SetID]map[Member]bool
	comments map[SetID]string
	chains   map[ChainID]Chain
	dispatch map[Subject]ChainID
}

// Damage takes rules out of the frame, as somebody else may do.
func (m *Memory) Damage() { m.frame = min(m.frame, Damaged) }

// Form returns what the kernel can hold: everything.
func (m *Memory) Form() Form { return FullForm() }

// Observe returns what the kernel holds.
func (m *Memory) Observe(context.Context) (Observed, error) {
	o := Observed{
		Condition: m.frame, Strict: m.strict, Links: slices.Sorted(maps.Keys(m.links)),
		Dispatch: maps.Clone(m.dispatch),
		Sets:     map[SetID][]Member{}, Chains: map[ChainID]string{},
	}
	for id, members := range m.sets {
		o.Sets[id] = slices.SortedFunc(maps.Keys(members), Member.Compare)
	}
	for id, c := range m.chains {
		o.Chains[id] = c.Digest()
	}
	return o, nil
}

// Program returns what the kernel holds as a program; Node is not the kernel's to know.
func (m *Memory) Program() *Program {
	p := &Program{Strict: m.strict, Links: slices.Collect(maps.Keys(m.links)),
		Chains: slices.Collect(maps.Values(m.chains))}
	for id, members := range m.sets {
		if len(members) > 0 || !id.Fixed() {
			p.Sets = append(p.Sets,
				Set{id, m.comments[id], slices.SortedFunc(maps.Keys(members), Member.Compare)})
		}
	}
	for s, chain := range m.dispatch {
		p.Dispatch = append(p.Dispatch, Dispatch{s.Direction, s.Addr, chain})
	}
	p.Sort()
	return p
}

// Apply carries a delta out, or changes nothing and says what the kernel would refuse.
func (m *Memory) Apply(_ context.Context, d Delta) error {
	if m.Fail != nil {
		return m.Fail
	}
	next := m.clone(d.Clear)
	if d.Frame {
		next.frame, next.strict = Intact, d.Strict
		next.makeFixedSets()
	}
	if err := next.apply(d); err != nil {
		return err
	}
	applied := m.Applied
	*m = *next
	m.Applied = applied + 1
	return nil
}

// clone copies all that the kernel holds, so that a refused delta leaves no trace; fresh: it
// returns a kernel without a table.
func (m *Memory) clone(fresh bool) *Memory {
	n := &Memory{
		links: map[string]bool{}, sets: map[SetID]map[Member]bool{}, comments: map[SetID]string{},
		chains: map[ChainID]Chain{}, dispatch: map[Subject]ChainID{},
	}
	if fresh {
		return n
	}
	n.frame, n.strict = m.frame, m.strict
	maps.Copy(n.links, m.links)
	maps.Copy(n.comments, m.comments)
	maps.Copy(n.chains, m.chains)
	maps.Copy(n.dispatch, m.dispatch)
	for id, members := range m.sets {
		n.sets[id] = maps.Clone(members)
	}
	return n
}

// apply carries a delta out in the order of its fields, and joins all that the kernel would refuse.
func (m *Memory) apply(d Delta) error {
	if m.frame == Lost {
		return errors.New("no table")
	}
	return errors.Join(
		each(d.DelLinks, func(l string) error { return remove(m.links, l) }),
		each(d.AddLinks, func(l string) error { return insert(m.links, l, true) }),
		each(d.DelDispatch, m.delDispatch),
		each(d.DelMembers, m.delMembers),
		each(d.PutChains, m.makeChain),
		each(d.AddSets, m.addSet),
		each(d.AddMembers, m.addMembers),
		each(d.PutChains, m.putChain),
		each(d.AddDispatch, m.addDispatch),
		each(d.DelChains, m.emptyChain),
		each(d.DelSets, m.delSet),
		each(d.DelChains, m.delChain),
	)
}

// makeFixedSets makes those that are not there.
func (m *Memory) makeFixedSets() {
	for _, s := range FixedSets() {
		if m.comments[s.ID] = s.Comment; m.sets[s.ID] == nil {
			m.sets[s.ID] = map[Member]bool{}
		}
	}
}

// delDispatch takes a subject out, if it is dispatched to that very chain.
func (m *Memory) delDispatch(d Dispatch) error {
	s := Subject{d.Direction, d.Addr}
	if m.dispatch[s] != d.Chain {
		return fmt.Errorf("%s: is not there", d)
	}
	return remove(m.dispatch, s)
}

// addDispatch dispatches a subject that is not there yet to a chain that is.
func (m *Memory) addDispatch(d Dispatch) error {
	if _, exists := m.chains[d.Chain]; !exists {
		return fmt.Errorf("%s: no such chain", d)
	}
	return insert(m.dispatch, Subject{d.Direction, d.Addr}, d.Chain)
}

// addSet makes a set that is not there yet, with its members.
func (m *Memory) addSet(s Set) error {
	m.comments[s.ID] = s.Comment
	if err := insert(m.sets, s.ID, map[Member]bool{}); err != nil {
		return err
	}
	return m.addMembers(Members{Set: s.ID, Members: s.Members})
}

// addMembers adds members that are not there yet. The chains that they lead to must be there, and
// of a map no two members may have a port in common, those that were there before included.
func (m *Memory) addMembers(c Members) error {
	ports := map[Member]ChainID{}
	// What is there already has no port twice, so that there is no error to look at.
	for e := range m.sets[c.Set] {
		_ = c.Set.eachPort(e, ports)
	}
	return m.eachMember(c, func(in map[Member]bool, e Member) error {
		if _, exists := m.chains[e.Chain]; e.Chain != "" && !exists {
			return fmt.Errorf("%s: no such chain", e)
		}
		return errors.Join(c.Set.eachPort(e, ports), insert(in, e, true))
	})
}

// eachPort notes where each port of a member leads; none may lead to two chains.
func (id SetID) eachPort(e Member, ports map[Member]ChainID) error {
	var errs []error
	for port := int(e.Port); id.Leads() && port <= int(max(e.Port, e.LastPort)); port++ {
		errs = append(errs, insert(ports, Member{Proto: e.Proto, Port: uint16(port)}, e.Chain))
	}
	return errors.Join(errs...)
}

// delMembers deletes members, all of which must be there.
func (m *Memory) delMembers(c Members) error {
	return m.eachMember(c, func(in map[Member]bool, e Member) error { return remove(in, e) })
}

// eachMember calls do with every member of a change and with what its set holds.
func (m *Memory) eachMember(c Members, do func(map[Member]bool, Member) error) error {
	members, exists := m.sets[c.Set]
	if !exists {
		return fmt.Errorf("set %s: is not there", c.Set)
	}
	return each(c.Members, func(e Member) error { return do(members, e) })
}

// makeChain makes new ones, without rules.
func (m *Memory) makeChain(c PutChain) error {
	if _, exists := m.chains[c.ID]; exists == c.New {
		return fmt.Errorf("chain %s: new is %t, there is %t", c.ID, c.New, exists)
	}
	if c.New {
		m.chains[c.ID] = Chain{ID: c.ID}
	}
	return nil
}

// emptyChain takes all rules out of a chain, so that it refers to nothing when sets and other
// chains are deleted.
func (m *Memory) emptyChain(id ChainID) error {
	if _, exists := m.chains[id]; exists {
		m.chains[id] = Chain{ID: id}
	}
	return nil
}

// putChain gives a chain its steps; the sets and chains that these refer to must be there.
func (m *Memory) putChain(c PutChain) error {
	m.chains[c.ID] = c.Chain
	for id := range c.Sets() {
		if _, exists := m.sets[id]; !exists {
			return fmt.Errorf("chain %s: no set %s", c.ID, id)
		}
	}
	for call := range c.Calls() {
		if _, exists := m.chains[call.Chain]; !exists {
			return fmt.Errorf("chain %s: no chain %s", c.ID, call.Chain)
		}
	}
	return nil
}

// delChain deletes a chain, to which nothing may lead any more.
func (m *Memory) delChain(id ChainID) error {
	for set, members := range m.sets {
		for e := range members {
			if e.Chain == id {
				return fmt.Errorf("chain %s: in use by %s", id, set)
			}
		}
	}
	for _, c := range m.chains {
		for call := range c.Calls() {
			if call.Chain == id {
				return fmt.Errorf("chain %s: in use by %s", id, c.ID)
			}
		}
	}
	for s, chain := range m.dispatch {
		if chain == id {
			return fmt.Errorf("chain %s: in use for %s", id, s.Addr)
		}
	}
	return remove(m.chains, id)
}

// delSet deletes a set, in which no chain may look anything up any more.
func (m *Memory) delSet(id SetID) error {
	for _, c := range m.chains {
		for used := range c.Sets() {
			if used == id {
				return fmt.Errorf("set %s: in use by %s", id, c.ID)
			}
		}
	}
	return remove(m.sets, id)
}

// each calls do with every item, and joins all errors.
func each[T any](items []T, do func(T) error) error {
	var errs []error
	for _, item := range items {
		errs = append(errs, do(item))
	}
	return errors.Join(errs...)
}

// insert puts a value at a key that must be free.
func insert[K comparable, V any](into map[K]V, key K, value V) error {
	if _, exists := into[key]; exists {
		return fmt.Errorf("%v: is there already", key)
	}
	into[key] = value
	return nil
}

// remove deletes a key that must be there.
func remove[K comparable, V any](from map[K]V, key K) error {
	if _, exists := from[key]; !exists {
		return fmt.Errorf("%v: is not there", key)
	}
	delete(from, key)
	return nil
}
