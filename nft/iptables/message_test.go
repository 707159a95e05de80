package iptables

import (
	"errors"
	"slices"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// Messages change elements of every type as the program does: what is there is added again without
// an error, and what is gone deleted.
func TestElementsByMessages(t *testing.T) {
	newNetns(t)
	b := Open(Options{})
	for f, all := range map[ruleset.Family]map[string][]element{
		ruleset.IPv4: {
			"hash:ip": {"10.0.0.1"}, "hash:ip,port": {"10.0.0.1,sctp:65535", "10.0.0.1,tcp:80"},
			"hash:net":       {"0.0.0.0/1", "10.0.0.7", "128.0.0.0/1"},
			"hash:net,iface": {"10.0.0.1,cni0"}, "hash:ip,port,ip": {"10.0.0.1,udp:53,10.0.0.2"},
		},
		ruleset.IPv6: {
			"hash:ip": {"fd00::1"}, "hash:ip,port": {"fd00::1,tcp:80"},
			"hash:net":       {"fd00::/64", "fd00::7"},
			"hash:net,iface": {"fd00::1,cni0"}, "hash:ip,port,ip": {"fd00::1,udp:53,fd00::2"},
		},
	} {
		for kind, want := range all {
			const name = ownPrefix + "trial"
			run(t, "", "ipset", "create", name, kind, "family", families[f].set)
			b.wantElements(t, "add", name, want)
			b.wantElements(t, "del", name, nil, want...)
			run(t, "", "ipset", "destroy", name)
		}
	}
}

// wantElements has messages add or delete elements, twice, and compares what the set holds then.
func (b *Backend) wantElements(t *testing.T, verb, name string, want []element, gone ...element) {
	t.Helper()
	all := elements{}
	for _, e := range slices.Concat(want, gone) {
		all[e] = true
	}
	for range 2 {
		if err := b.sendElements(elementLines(verb, name, all)); err != nil {
			t.Fatalf("%s %v: %v", verb, all, err)
		}
		sets, err := b.saveSets(t.Context())
		if have := sets[name].elements.sorted(); err != nil || !slices.Equal(have, want) {
			t.Errorf("after %s: %v, %v; want %v", verb, have, err, want)
		}
	}
}

// What messages can't say is left to the program.
func TestLinesForTheProgram(t *testing.T) {
	many := make([]string, mostMessages+1)
	for i := range many {
		many[i] = "add x 10.0.0.1"
	}
	for _, lines := range [][]string{many, {"create x hash:ip family inet"}, {"flush x"},
		{"add x 10.0.0.1,tcp:80,y"}} {
		if err := Open(Options{}).sendElements(lines); !errors.Is(err, errNotSent) {
			t.Errorf("%s: %v", lines[0], err)
		}
	}
}
