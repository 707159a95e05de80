package iptables

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// Denials reads how many packets the chains of pods have denied, or have let through in an audit. It
// costs a process for each family. The rules have no numbers, so those of one family count as one.
func (b *Backend) Denials(ctx context.Context) ([]ruleset.DenialCount, error) {
	var list []ruleset.DenialCount
	for i, f := range ruleset.Families {
		// It takes no lock, so that nobody who changes rules waits for it.
		text, err := b.program(ctx, "", families[f].program+"-save", "-c", "-t", mainTable)
		if err != nil {
			return nil, fmt.Errorf("count denied packets: %w", err)
		}
		list = append(list, readDenials(text, uint64(i))...)
	}
	return list, nil
}

// readDenials adds up the counters of what denies in the chains of pods, and of what an audit lets
// through, as iptables-save -c prints them: [packets:bytes] -A chain rule.
func readDenials(text string, rule uint64) (list []ruleset.DenialCount) {
	of, sums, last := map[string]ruleset.ChainID{}, map[ruleset.Counted]uint64{}, ""
	for line := range strings.Lines(text) {
		counters, rest, is := strings.Cut(strings.TrimSpace(line), " -A ")
		chain, rule, _ := strings.Cut(rest, " ")
		if !is || !strings.HasPrefix(chain, madePrefix) {
			continue
		}
		// The first rule of each chain says what it is a part of.
		if id, first := partOf([]string{rule}); first && of[chain] == "" {
			of[chain] = id
			sums[ruleset.Counted{Chain: id}] += 0 // a chain that has denied nothing is there as well
		}
		// The rule that logs a sample counts, too, and decides nothing.
		audited := auditsAfter(last, rule)
		if id := of[chain]; id != "" && (audited || denies(rule)) {
			packets, _, _ := strings.Cut(strings.TrimPrefix(counters, "["), ":")
			n, _ := strconv.ParseUint(packets, 10, 64)
			sums[ruleset.Counted{Chain: id, Audited: audited}] += n
		}
		last = rule
	}
	for of, packets := range sums {
		list = append(list, ruleset.DenialCount{Counted: of, Rule: rule, Packets: packets})
	}
	return list
}

// denies reports whether a rule ends in a denial.
func denies(rule string) bool {
	return strings.HasSuffix(rule, toDrop) || strings.HasSuffix(rule, goTo(rejectChain))
}

// auditsAfter reports whether a rule is the one that lets through what the rule before it has logged.
func auditsAfter(before, rule string) bool {
	return strings.HasSuffix(rule, toReturn) && strings.Contains(before, nflog.AuditPrefix)
}
