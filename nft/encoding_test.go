package nft

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables/expr"

	"github.com/picket-project/picket/ruleset"
)

// What another version of the agent has written gets new rules in one transaction, in which nothing
// else changes; what the same version has written is sent nothing.
func TestAnotherEncodingReplacesRulesOnly(t *testing.T) {
	want := sample(ruleset.Reject)
	for _, test := range []struct {
		name   string
		first  encoding
		chains int
	}{
		{"the same", currentEncoding(), 0},
		{"another", encodingOf(everyChain()[1:]), len(want.Chains)},
	} {
		t.Run(test.name, func(t *testing.T) {
			newNetns(t)
			first := open(t, Options{NoOwner: true})
			first.encoding = test.first
			converge(t, first, want)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second := open(t, Options{NoOwner: true})
			before := generation(t, second)
			d := converge(t, second, want)
			others := d
			others.PutChains = nil
			steps := min(test.chains, 1)
			if len(d.PutChains) != test.chains || !others.Empty() ||
				generation(t, second) != before+uint32(steps) {
				t.Errorf("%d transactions for %d chains, and\n%s", generation(t, second)-before,
					len(d.PutChains), others.String())
			}
			wantHeld(t, second, want)
		})
	}
}

// A change of anything that is sent for a rule is another encoding, also of what the kernel does
// not show: registers, for one.
func TestEverythingThatIsSentIsOfTheEncoding(t *testing.T) {
	base := func() rule {
		ports := toPorts(ruleset.TCP, []ruleset.PortRange{{First: 1, Last: 1}, {First: 3, Last: 3}})
		return newRule(ports, logged("x"), accept()).because("why")
	}
	seen := map[string]string{base().sentText(): "the rule as it was"}
	for name, change := range map[string]func(*rule){
		"comment":  func(r *rule) { r.comment = "because" },
		"text":     func(r *rule) { r.terms[0].text += " " },
		"register": func(r *rule) { r.terms[0].exprs[0].(*expr.Meta).Register++ },
		"burst":    func(r *rule) { r.terms[1].exprs[0].(*expr.Limit).Burst++ },
		"group":    func(r *rule) { r.terms[1].exprs[1].(*expr.Log).Group++ },
		"verdict":  func(r *rule) { r.terms[2] = drop() },
		"elements": func(r *rule) { r.terms[0].set.elements = r.terms[0].set.elements[1:] },
		"flags":    func(r *rule) { r.terms[0].set.set.Interval = true },
		"order":    func(r *rule) { r.terms[0], r.terms[1] = r.terms[1], r.terms[0] },
	} {
		r := base()
		change(&r)
		if other, taken := seen[r.sentText()]; taken {
			t.Errorf("%s: the same as %s", name, other)
		}
		seen[r.sentText()] = name
	}
}

// The chains that the encoding is made of have every kind of rule that programs have.
func TestEncodingIsMadeOfEveryKindOfRule(t *testing.T) {
	made := kindsOf(everyChain())
	chains := slices.Concat(sample(ruleset.Drop).Chains, sample(ruleset.Reject).Chains)
	for seed := range 30 {
		chains = append(chains, programs().Example(seed).Chains...)
	}
	for kind, text := range kindsOf(chains) {
		if _, is := made[kind]; !is {
			t.Errorf("the encoding is made of no term like %q: %s", text, kind)
		}
	}
}

// kindsOf lists which expressions the terms of some chains have, without the values that they
// compare, each with the text of such a term.
func kindsOf(chains []ruleset.Chain) map[string]string {
	kinds := map[string]string{}
	for _, c := range chains {
		for _, r := range encoding("").rulesOf(c) {
			for _, t := range r.terms {
				kinds[t.kind()] = t.text
			}
		}
	}
	return kinds
}

// kind lists the expressions of a term, without the values that it compares.
func (t term) kind() string {
	var words []string
	for _, e := range t.exprs {
		switch e := e.(type) {
		case *expr.Cmp:
			words = append(words, fmt.Sprintf("cmp %d", e.Op))
		case *expr.Lookup:
			words = append(words, fmt.Sprintf("lookup %t %t", e.Invert, e.IsDestRegSet))
		case *expr.Verdict:
			words = append(words, fmt.Sprintf("verdict %d", e.Kind))
		case *expr.Payload:
			words = append(words, fmt.Sprintf("payload %d %d", e.Base, e.Offset))
		case *expr.Range:
			words = append(words, fmt.Sprintf("range %d", e.Op))
		case *expr.Bitwise:
			words = append(words, fmt.Sprintf("bitwise %d", e.Len))
		default:
			words = append(words, exprText(e, nil))
		}
	}
	if t.set != nil {
		words = append(words, fmt.Sprintf("set %+v", t.set.set))
	}
	return strings.Join(words, ", ")
}
