package drops

import "github.com/picket-project/picket/ruleset"

// sums finds what was denied between two looks at the kernel's counters, which begin again where a
// chain gets other rules.
type sums struct {
	begun bool
	last  map[ruleset.Counted]map[uint64]uint64 // by rule, as they were read last
}

// all takes in the counts of all chains, and returns what each has denied since they were read
// before. The first look only says where they begin.
func (s *sums) all(counts []ruleset.DenialCount) map[ruleset.Counted]uint64 {
	// Chains that are not read any more are forgotten.
	before := s.last
	s.last = map[ruleset.Counted]map[uint64]uint64{}
	more := s.since(before, counts)
	if !s.begun {
		s.begun = true
		return nil
	}
	return more
}

// some takes in the counts of all rules of some chains.
func (s *sums) some(counts []ruleset.DenialCount) map[ruleset.Counted]uint64 {
	// Without a first look nobody knows where these began.
	if !s.begun {
		return nil
	}
	before := map[ruleset.Counted]map[uint64]uint64{}
	for _, c := range counts {
		if rules, known := s.last[c.Counted]; known {
			before[c.Counted] = rules
			delete(s.last, c.Counted)
		}
	}
	return s.since(before, counts)
}

// since adds up how much more the counts are. A counter that is smaller than before, or of a rule
// that was not there, began at 0.
func (s *sums) since(
	last map[ruleset.Counted]map[uint64]uint64, counts []ruleset.DenialCount,
) map[ruleset.Counted]uint64 {
	more := map[ruleset.Counted]uint64{}
	for _, c := range counts {
		// The number of a rule in nftables is never used again, so one that is known is the same.
		before := last[c.Counted][c.Rule]
		if c.Packets < before {
			before = 0
		}
		if s.last[c.Counted] == nil {
			s.last[c.Counted] = map[uint64]uint64{}
		}
		s.last[c.Counted][c.Rule] = c.Packets
		if n := c.Packets - before; n > 0 {
			more[c.Counted] += n
		}
	}
	return more
}
