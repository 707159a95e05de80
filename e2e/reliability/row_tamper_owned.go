package main

import (
	"errors"

	"github.com/picket-project/picket/e2e/listing"
)

// tamperOwned does to the table what another program could, while the agent owns it: it must be
// refused, or have no effect.
type tamperOwned struct{}

func (tamperOwned) Name() string { return "tamper-owned" }

func (tamperOwned) Plan() plan { return plan{} }

// ownedScripts speak of objects that are there: the chain of web, its entry in a map, the first
// rule.
var ownedScripts = []string{
	"delete table inet picket",
	"flush table inet picket",
	"flush chain inet picket forward",
	"flush chain inet picket forward; delete chain inet picket forward",
	"flush chain inet picket ingress/shop/web",
	"insert rule inet picket forward accept",
	"insert rule inet picket ingress/shop/web accept",
	"chain inet picket forward { policy drop; }",
	"table inet picket { flags dormant; }",
	"delete element inet picket ingress4 { 10.244.1.5 }",
	"add element inet picket ingress6 { fd00:10:244:1::77 : accept }",
	"flush map inet picket ingress6",
	"flush set inet picket podlinks",
	"delete set inet picket podlinks",
	"add set inet picket mine { type ipv4_addr; }",
	"add chain inet picket mine { type filter hook forward priority -5; policy accept; accept; }",
	flushRuleset,
}

const flushRuleset = "flush ruleset"

// OnlyNftables says what the row is about.
func (tamperOwned) OnlyNftables() string { return "an owner of the table" }

func (tamperOwned) Inject(s *testbed) error {
	node := s.agents[0].node
	owned, err := s.owned(node)
	if err != nil {
		return err
	}
	if !owned {
		s.skip("the table has no owner on this kernel; Linux 6.9 is needed")
		return nil
	}
	others, err := s.addForeignTables(node)
	if err != nil {
		return err
	}
	refused, rounds := 0, s.times(10, 1)
	for range rounds {
		for _, script := range ownedScripts {
			was, err := s.tamperInVain(others, script)
			if err != nil {
				return err
			}
			refused += was
		}
	}
	s.done("%d attempts, %d refused", rounds*len(ownedScripts), refused)
	return nil
}

// tamperInVain tries one script; refused is 1 if the kernel said no.
func (s *testbed) tamperInVain(others *foreignTables, script string) (refused int, err error) {
	before, err := s.ruleset(others.node)
	if err = errors.Join(err, s.ctx.Err()); err != nil {
		return 0, err
	}
	if s.nft(others.node, script) != nil {
		refused = 1
	}
	after, err := s.ruleset(others.node)
	if err != nil {
		return 0, err
	}
	if diff := listing.Difference(before, after); diff != "" {
		s.fault("%s had an effect:\n%s", script, diff)
	}
	if script == flushRuleset {
		return refused, others.recreate() // it took the other tables
	}
	return refused, others.check(script)
}
