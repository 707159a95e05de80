package drops

import "github.com/picket-project/picket/ruleset"

// outcome is what a chain denies, or what it lets through in an audit.
type outcome struct {
	chain   ruleset.ChainID
	audited bool
}

// sums finds what was denied between two looks at the kernel's counters, which begin again where a
// chain gets other rules.
type sums struct {
	begun bool
	last  map[outcome]map[uint64]uint64 // by rule, as they were read last
}

// all takes in the counts of all chains, and returns what each has denied since they were read
// before. The first look only says where they begin.
func (s *sums) all(counts []ruleset.DenialCount) map[outcome]uint64 {
	// Chains that are not read any more are forgotten.
	before := s.last
	s.last = map[outcome]map[uint64]uint64{}
	more := s.since(before, counts)
	if !s.begun {
		s.begun = true
		return nil
	}
	return more
}

// some takes in the counts of all rules of some chains.
func (s *sums) some(counts []ruleset.DenialCount) map[outcome]uint64 {
	// Without a first look nobody knows where these began.
	if !s.begun {
		return nil
	}
	before := map[outcome]map[uint64]uint64{}
	for _, c := range counts {
		of := outcome{c.Chain, c.Audited}
		if rules, known := s.last[of]; known {
			before[of] = rules
			delete(s.last, of)
		}
	}
	return s.since(before, counts)
}

// since adds up how much more the counts are. A counter that is smaller than before, or of a rule
// that was not there, began at 0.
func (s *sums) since(
	last map[outcome]map[uint64]uint64, counts []ruleset.DenialCount,
) map[outcome]uint64 {
	more := map[outcome]uint64{}
	for _, c := range counts {
		of := outcome{c.Chain, c.Audited}
		// The number of a rule in nftables is never used again, so one that is known is the same.
		before := last[of][c.Rule]
		if c.Packets < before {
			before = 0
		}
		if s.last[of] == nil {
			s.last[of] = map[uint64]uint64{}
		}
		s.last[of][c.Rule] = c.Packets
		if n := c.Packets - before; n > 0 {
			more[of] += n
		}
	}
	return more
}
