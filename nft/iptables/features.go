package iptables

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Features says that the rules are not in nf_tables, and what that means.
func (b *Backend) Features() ([]ruleset.Feature, error) {
	return []ruleset.Feature{
		{Name: "table_owner", Since: "6.9", Otherwise: "iptables has no owner; what others change " +
			"in our rules is looked for every 3 s"},
		{Name: "bridge_table", Since: "3.18", Otherwise: "a pod can pass for another one of its " +
			"bridge: there is no table that keeps pods apart below the network layer"},
	}, nil
}

// trialChain is a chain that no packet meets, with every match and target that rules need.
const trialChain = ownPrefix + "trial"

// Probe finds out whether the kernel and the programs have all that this backend needs. An error
// names what is missing, and who has it.
func (b *Backend) Probe(ctx context.Context) error {
	var errs []error
	for _, f := range ruleset.Families {
		if err := b.try(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("try what %s can do: %w", f, err))
		}
	}
	return errors.Join(errs...)
}

// try makes sets of all types and a chain that looks them up, and removes them.
func (b *Backend) try(ctx context.Context, f ruleset.Family) error {
	var made, gone []string
	rules := []string{
		rule(state("ESTABLISHED"), toReturn), rule("-m addrtype --src-type LOCAL", toReturn),
		rule("-p tcp", multiport([]string{"1", "2"}), comment("a trial"), toReturn),
		logged("picket "), "-j MARK --set-xmark " + rejectMark,
	}
	for i, kind := range setKinds {
		name := fmt.Sprintf("%strial%d-%d", ownPrefix, f, i)
		made = append(made, setType{kind, f}.create(name))
		gone = append(gone, "destroy "+name)
		rules = append(rules, rule(inSet(name, source.word()), toReturn))
	}
	with, without := newKernel().tables[f], newKernel().tables[f]
	with[mainTable].chains[trialChain] = rules
	err := b.restoreSets(ctx, made)
	if err == nil {
		err = b.restoreRules(ctx, f, restoreText(without, with))
	}
	if err == nil {
		err = b.restoreRules(ctx, f, restoreText(with, without))
	}
	for _, line := range gone {
		// One that was not made is none to complain about.
		_ = b.restoreSets(ctx, []string{line})
	}
	return err
}

// setKinds are the types of ipset that hold the sets of a program.
var setKinds = []string{"hash:ip", "hash:ip,port", "hash:net", "hash:net,iface", "hash:ip,port,ip"}

// Installed reports whether the programs of iptables and ipset are there, and the kernel has legacy
// tables by now: without them nothing of ours can be there.
func Installed() bool {
	for _, program := range []string{"iptables-legacy-save", "ip6tables-legacy-save", "ipset"} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	loaded, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	return err == nil && strings.Contains(string(loaded), mainTable)
}
