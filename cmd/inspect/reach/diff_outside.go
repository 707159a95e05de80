package reach

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// outsideOf returns what is outside for a workload: the internet, and ranges that its policies
// decide about alike, where a change of policies can matter. The internet stands for all that is
// decided about as it is.
func (s *states) outsideOf(w workload, d ruleset.Direction) []workload {
	if !s.anyCanChange(d, w) {
		return nil
	}
	internet := s.before.Outside()
	outside := []workload{{name: ask.Internet, addrs: internet}}
	lists, always := s.blocksOf(w, d)
	everywhere := s.changesEverywhere(w, d)
	for _, p := range addrGroups(lists) {
		isInternet := slices.ContainsFunc(p.ranges, func(r ruleset.Range) bool {
			return slices.ContainsFunc(internet, r.Contains)
		})
		if !p.changed && !everywhere {
			continue
		}
		named := slices.Clone(always)
		for _, i := range p.lists {
			named = append(named, lists[i].named...)
		}
		if isInternet {
			outside[0].named = append(outside[0].named, named...)
			continue
		}
		outside = append(outside, s.asked(p.ranges, named)...)
	}
	return outside
}

// asked returns the ranges of a group with an address that stands for all of them, and those of
// nodes alone each with its own: a pod and its node always reach each other.
func (s *states) asked(ranges []ruleset.Range, named []policy.Ports) (all []workload) {
	group := workload{named: named}
	for _, r := range ranges {
		a, node, ok := s.addrIn(r)
		switch {
		case !ok:
		case node != "":
			all = append(all, workload{addrs: []netip.Addr{a}, ranges: []ruleset.Range{r}, named: named,
				node: node})
		default:
			group.addrs, group.ranges = []netip.Addr{a}, append(group.ranges, r)
		}
	}
	if len(group.ranges) > 0 {
		all = append(all, group)
	}
	return all
}

// names are those of a workload, or of each range that it stands for.
func (w workload) names() []string {
	if len(w.ranges) == 0 {
		return []string{w.name}
	}
	names := make([]string, len(w.ranges))
	for i, r := range w.ranges {
		names[i] = r.String()
	}
	return names
}

// others returns the pods of a group that are not on the node whose addresses these are.
func (w workload) others(g ask.Group) []ask.Pod {
	if w.node == "" {
		return g.Pods
	}
	return slices.DeleteFunc(slices.Clone(g.Pods), func(p ask.Pod) bool { return p.Node == w.node })
}

// blockList is the ipBlocks with which a policy lets the same ports through.
type blockList struct {
	blocks  []ruleset.Range
	named   []policy.Ports
	changed bool // the policy is
}

// blocksOf returns the ipBlocks of the rules about a workload, of both states, and the ports of the
// rules that have every peer.
func (s *states) blocksOf(w workload, d ruleset.Direction) (lists []blockList, always []policy.Ports) {
	at := map[string]int{}
	for state, c := range s.both() {
		for _, p := range decidingAbout(c, w, d) {
			for _, r := range p.Rules[d] {
				if r.AnyPeer {
					always = append(always, r.Ports...)
				}
				if len(r.Blocks) == 0 {
					continue
				}
				// Of rules that let the same through only their blocks together count.
				key := fmt.Sprint(state, " ", p.String(), r.AnyPort, r.Ports, r.Names)
				i, known := at[key]
				if !known {
					i = len(lists)
					at[key] = i
					lists = append(lists, blockList{named: r.Ports, changed: s.changed[p.String()]})
				}
				lists[i].blocks = append(lists[i].blocks, r.Blocks...)
			}
		}
	}
	for i := range lists {
		lists[i].blocks = policy.Union(lists[i].blocks)
	}
	return lists, always
}

// changesEverywhere reports whether a change can matter at addresses that no changed policy names:
// a rule of one has every peer, or pods begin or cease to be isolated.
func (s *states) changesEverywhere(w workload, d ruleset.Direction) bool {
	for _, g := range w.groups {
		was, is := s.before.Isolating(g.Rep(), d), s.after.Isolating(g.Rep(), d)
		if s.before.Disputed(g.Rep()) || (len(was) == 0) != (len(is) == 0) {
			return true
		}
		for _, p := range slices.Concat(was, is) {
			anyPeer := slices.ContainsFunc(p.Rules[d], func(r policy.Rule) bool { return r.AnyPeer })
			if anyPeer && s.changed[p.String()] {
				return true
			}
		}
	}
	return false
}

// addrGroup is addresses that are in the same lists, and so decided about alike.
type addrGroup struct {
	ranges  []ruleset.Range // disjoint, sorted
	lists   []int
	changed bool // one of the lists is of a changed policy
}

// addrGroups divides all addresses by the lists that they are in. Of each list the ranges are disjoint
// and do not touch each other.
func addrGroups(lists []blockList) (groups []*addrGroup) {
	for _, family := range everything() {
		edges := edgesOf(lists, family)
		in, known := new(big.Int), map[string]*addrGroup{}
		for i, e := range edges {
			// A list begins or ends here: its bit says whether the addresses are in it.
			if e.list >= 0 {
				in.SetBit(in, e.list, in.Bit(e.list)^1)
			}
			last := family.Last
			if i+1 < len(edges) {
				if edges[i+1].at == e.at {
					continue
				}
				last = edges[i+1].at.Prev()
			}
			key := string(in.Bytes())
			if known[key] == nil {
				known[key] = newAddrGroup(lists, in)
				groups = append(groups, known[key])
			}
			known[key].ranges = append(known[key].ranges, ruleset.Range{First: e.at, Last: last})
		}
	}
	return groups
}

// edge is where a list begins or has ended; -1 is no list.
type edge struct {
	at   netip.Addr
	list int
}

// edgesOf returns the edges of lists in a family, sorted. The first is where the family begins.
func edgesOf(lists []blockList, family ruleset.Range) []edge {
	edges := []edge{{family.First, -1}}
	for i, list := range lists {
		for _, r := range list.blocks {
			if !family.Contains(r.First) {
				continue
			}
			edges = append(edges, edge{r.First, i})
			if r.Last != family.Last {
				edges = append(edges, edge{r.Last.Next(), i})
			}
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	return edges
}

// newAddrGroup makes the group of the lists whose bits are set.
func newAddrGroup(lists []blockList, in *big.Int) *addrGroup {
	p := &addrGroup{}
	for i, list := range lists {
		if in.Bit(i) == 1 {
			p.lists, p.changed = append(p.lists, i), p.changed || list.changed
		}
	}
	return p
}

// findNodes finds the addresses of nodes.
func (s *states) findNodes() {
	s.nodes = map[netip.Addr]string{}
	for _, name := range s.before.NodeNames() {
		addrs, _ := s.before.NodeAddrs(name)
		for _, a := range addrs {
			s.nodes[a] = name
		}
	}
}

// addrIn returns an address of a range that nobody states: pods are asked about by themselves.
// Where there is none, it is one of a node alone, which it names.
func (s *states) addrIn(r ruleset.Range) (found netip.Addr, node string, ok bool) {
	first := r.First
	if first.IsUnspecified() {
		first = first.Next() // no packet comes from it
	}
	for a := first; r.Contains(a); a = a.Next() {
		if !s.before.IsStated(a) && !s.after.IsStated(a) {
			return a, "", true
		}
		ofPod := s.before.HasPodAt(a) || s.after.HasPodAt(a)
		if name := s.nodes[a]; node == "" && name != "" && !ofPod {
			found, node, ok = a, name, true
		}
	}
	return found, node, ok
}
