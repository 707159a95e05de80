package iptables

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Denials reads how many packets the chains of pods have denied. It costs a process for each family.
// The rules have no numbers, so those of one chain and family are one.
func (b *Backend) Denials(ctx context.Context) ([]ruleset.DenialCount, error) {
	var list []ruleset.DenialCount
	for i, f := range ruleset.Families {
		// It takes no lock, so that nobody who changes rules waits for it.
		text, err := b.program(ctx, "", families[f].program+"-save", "-c", "-t", mainTable)
		if err != nil {
			return nil, fmt.Errorf("count denied packets: %w", err)
		}
		for id, packets := range readDenials(text) {
			list = append(list, ruleset.DenialCount{Chain: id, Rule: uint64(i), Packets: packets})
		}
	}
	return list, nil
}

// readDenials adds up the counters of what denies in the chains of pods, as iptables-save -c prints
// them: [packets:bytes] -A chain rule.
func readDenials(text string) map[ruleset.ChainID]uint64 {
	of, denied := map[string]ruleset.ChainID{}, map[ruleset.ChainID]uint64{}
	for line := range strings.Lines(text) {
		counters, rest, is := strings.Cut(strings.TrimSpace(line), " -A ")
		chain, rule, _ := strings.Cut(rest, " ")
		if !is || !strings.HasPrefix(chain, madePrefix) {
			continue
		}
		// The first rule of each chain says what it is a part of.
		if id, first := partOf([]string{rule}); first && of[chain] == "" {
			of[chain] = id
			denied[id] += 0 // a chain that has denied nothing is there as well
		}
		// The rule that logs a sample counts, too, and denies nothing.
		if id := of[chain]; id != "" && denies(rule) {
			packets, _, _ := strings.Cut(strings.TrimPrefix(counters, "["), ":")
			n, _ := strconv.ParseUint(packets, 10, 64)
			denied[id] += n
		}
	}
	return denied
}

// denies reports whether a rule ends in a denial.
func denies(rule string) bool {
	return strings.HasSuffix(rule, toDrop) || strings.HasSuffix(rule, goTo(rejectChain))
}
