package iptables

import (
	"slices"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// A fence that an older version has left asks open connections about closed ports no more than it did
// there, where the whole chain was asked about what begins a connection.
func TestAnOlderFenceClosesNoOpenConnection(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	segment := fencedPort
	segment.Ports = append(slices.Clone(segment.Ports), ruleset.Port{Link: "veth3", Closed: true})
	if err := b.PutSegment(t.Context(), segment); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"iptables-legacy", "ip6tables-legacy"} {
		run(t, "", program, "-t", mainTable, "-D", forwardChain, "-m", "physdev",
			"--physdev-is-bridged", "-j", closedChain)
		run(t, "", program, "-t", mainTable, "-I", portsChain, "-m", "physdev",
			"--physdev-is-bridged", "-j", closedChain)
	}
	next := Open(Options{})
	converge(t, next, p)
	k, err := next.readKernel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ruleset.Families {
		main := k.tables[f][mainTable].chains
		known := slices.IndexFunc(main[forwardChain], isState("ESTABLISHED"))
		at := slices.Index(main[forwardChain], toClosed())
		if known < 0 || at < known || slices.Contains(main[portsChain], toClosed()) {
			t.Errorf("%s: closed ports are asked about at %d of %q, and in %q", f, at,
				main[forwardChain], main[portsChain])
		}
		if fence := slices.Index(main[forwardChain], cameByPort); fence < 0 || fence > known {
			t.Errorf("%s: the fence is asked about what begins a connection only: %q", f,
				main[forwardChain])
		}
	}
}

// isState finds the rule that lets packets of a state pass.
func isState(word string) func(string) bool {
	return func(r string) bool {
		return r == rule(state(word), comment("replies of what was allowed"), toReturn)
	}
}
