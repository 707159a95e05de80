package iptables

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Features says that the rules are not in nf_tables, what that means, and whether there is ebtables.
func (b *Backend) Features() ([]ruleset.Feature, error) {
	bridges := ruleset.Feature{Name: "bridge_hooks", Since: "2.6"}
	if err := b.tryBridges(); err != nil {
		bridges.Otherwise = fmt.Sprintf("a pod can pass for another one of its bridge: there is no "+
			"table that keeps pods apart below the network layer (%v)", err)
	}
	bridges.Here = bridges.Otherwise == ""
	return []ruleset.Feature{
		{Name: "table_owner", Since: "6.9", Otherwise: "iptables has no owner; what others change " +
			"in our rules is looked for every 3 s"}, bridges,
	}, nil
}

// trialChain is a chain that no packet meets, with every match and target that rules need.
const trialChain = ownPrefix + "trial"

// Probe finds out whether the kernel and the programs have all that this backend needs, and which
// version the programs are. An error names what is missing, and who has it.
func (b *Backend) Probe(ctx context.Context) (version string, err error) {
	var errs []error
	for _, f := range ruleset.Families {
		version, err = versionOf(f)
		if err == nil {
			err = b.try(ctx, f)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("try what %s can do: %w", f, err))
		}
	}
	return version, errors.Join(errs...)
}

// trialRules are rules with all matches and targets that rules have, but those that look up sets.
func trialRules(f ruleset.Family) []string {
	x := families[f]
	rules := []string{
		rule(state("ESTABLISHED"), toReturn), rule("-m addrtype --src-type LOCAL", toReturn),
		rule(x.ofType(x.router[0]), toReturn), rule(fromPort("lo"), toReturn),
		rule("-p udp -m udp --dport 1", toReturn), "-m rpfilter " + toReturn, rule(toGroup, toReturn),
		rule("-p tcp", multiport([]string{"1", "2"}), comment("a trial"), toReturn),
		rule("-p tcp -m tcp --tcp-flags RST RST", toReturn),
		logged("picket "), "-j MARK --set-xmark " + rejectMark, rule(marked, toReturn),
	}
	if f == ruleset.IPv6 {
		rules = append(rules, rule(x.ofType(neighbourTypes[0]), "-m hl --hl-eq 255", toReturn))
	}
	return rules
}

// try makes sets of all types and a chain that looks them up, and removes them.
func (b *Backend) try(ctx context.Context, f ruleset.Family) error {
	var made, gone []string
	rules := trialRules(f)
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

// Left reports whether sets of this backend are in the kernel. It needs no program.
func (b *Backend) Left() (bool, error) {
	if _, err := os.Stat("/sys/module/ip_set"); err != nil {
		return false, nil // to ask the kernel would load the module
	}
	kernel, err := b.dial()
	if err != nil {
		return false, err
	}
	defer kernel.Close()
	// This set is there whatever the program is.
	_, err = kernel.Execute(setMessage(ipsetHeader, subjectsSet(ruleset.Ingress, ruleset.IPv4)))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

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
