package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/picket-project/picket/ruleset"
)

// Denials reads how many packets the rules of some chains of pods have denied, or have let through in
// an audit; nil: of all. It only looks, and costs a list of the chains' rules. A chain that is not
// there has denied nothing.
func (b *Backend) Denials(chains []ruleset.ChainID) ([]ruleset.DenialCount, error) {
	list, err := b.denials(chains)
	if err != nil {
		err = errors.Join(fmt.Errorf("count denied packets: %w", err), b.hangUp())
	}
	return list, err
}

// denials is Denials on a connection that stays after an error.
func (b *Backend) denials(chains []ruleset.ChainID) ([]ruleset.DenialCount, error) {
	conn, err := b.dial()
	if err == nil && chains == nil {
		chains, err = podChains(conn)
	}
	if err != nil {
		return nil, err
	}
	var list []ruleset.DenialCount
	// A list for each chain: that of a whole table would be parsed as a whole.
	for _, id := range chains {
		rules, err := b.rules(conn, table(0), &nftables.Chain{Name: string(id), Table: table(0)})
		if err != nil {
			return nil, fmt.Errorf("list rules of %s: %w", id, err)
		}
		list = appendDenials(list, id, rules)
	}
	return list, nil
}

// Found returns what Denials does, of all chains of pods, as the last Observe found them.
func (b *Backend) Found() (list []ruleset.DenialCount) {
	for name, rules := range b.found.rules {
		if isOfPod(name) {
			list = appendDenials(list, ruleset.ChainID(name), rules)
		}
	}
	return list
}

// appendDenials adds the counters of a chain's rules.
func appendDenials(
	list []ruleset.DenialCount, id ruleset.ChainID, rules []*nftables.Rule,
) []ruleset.DenialCount {
	for _, r := range rules {
		if packets, counts := counterOf(r); counts {
			of := ruleset.Counted{Chain: id, Audited: letsThrough(r)}
			list = append(list, ruleset.DenialCount{Counted: of, Rule: r.Handle, Packets: packets})
		}
	}
	return list
}

// podChains lists the chains of pods in the table.
func podChains(conn *nftables.Conn) (list []ruleset.ChainID, err error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		// The kernel lists the chains of all tables of the family.
		if c.Table.Name == tableName && isOfPod(c.Name) {
			list = append(list, ruleset.ChainID(c.Name))
		}
	}
	return list, nil
}

// counterOf reads the counter of a rule. What denies has one, and what an audit lets through.
func counterOf(r *nftables.Rule) (packets uint64, counts bool) {
	for _, e := range r.Exprs {
		if c, is := e.(*expr.Counter); is {
			return c.Packets, true
		}
	}
	return 0, false
}
