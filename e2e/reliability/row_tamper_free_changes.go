package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/picket-project/picket/e2e/listing"
)

// mutator makes random changes of the table, from what it finds there.
type mutator struct {
	random  *rand.Rand
	objects []listing.Object
}

// script is one change, for the nft program. It is empty where the table has nothing to be changed
// that way.
func (m mutator) script() string {
	switch m.random.IntN(14) {
	case 0:
		return m.ofRule("delete rule %s handle %s")
	case 1:
		return m.ofRule("replace rule %s handle %s accept")
	case 2:
		return m.ofRule("insert rule %s position %s accept")
	case 3:
		return m.of("chain", "insert rule inet picket %s accept")
	case 4:
		return m.of("chain", "add rule inet picket %s drop")
	case 5:
		return m.of("chain", "flush chain inet picket %s")
	case 6, 7:
		return m.element()
	case 8:
		return m.of("map", "flush map inet picket %s")
	case 9:
		return m.of("set", "flush set inet picket %s")
	case 10:
		return m.of("set", "delete set inet picket %s") // of those that no rule uses
	case 11:
		return fmt.Sprintf("add element inet picket egress4 { 10.244.9.%d : accept }",
			m.random.IntN(256))
	default:
		return wholeTable[m.random.IntN(len(wholeTable))]
	}
}

// wholeTable is what needs no choice of an object.
var wholeTable = []string{
	"delete table inet picket",
	"flush table inet picket",
	"flush ruleset",
	"table inet picket { flags dormant; }",
	"flush chain inet picket forward; delete chain inet picket forward",
	"chain inet picket forward { policy drop; }",
	"add chain inet picket mine { type filter hook forward priority -5; policy accept; }",
	"add set inet picket mine { type ipv4_addr; }",
	"add element inet picket egress4 { * : accept }", // the kernel refuses it before Linux 5.13
	"add element inet picket pods6-nodes { * }",
}

// pick chooses an object of a kind, if there is one.
func (m mutator) pick(kind string) (listing.Object, bool) {
	some := slices.DeleteFunc(slices.Clone(m.objects),
		func(o listing.Object) bool { return o.Kind != kind })
	if len(some) == 0 {
		return listing.Object{}, false
	}
	return some[m.random.IntN(len(some))], true
}

func (m mutator) of(kind, format string) string {
	if o, is := m.pick(kind); is {
		return fmt.Sprintf(format, o.Name)
	}
	return ""
}

func (m mutator) ofRule(format string) string {
	if r, is := m.pick("rule"); is {
		return fmt.Sprintf(format, "inet picket "+r.Name, r.Handle)
	}
	return ""
}

// element deletes an element of a set or map.
func (m mutator) element() string {
	set, _ := m.pick([]string{"set", "map"}[m.random.IntN(2)])
	if len(set.Elements) == 0 {
		return ""
	}
	one := listing.Key(set.Elements[m.random.IntN(len(set.Elements))])
	return fmt.Sprintf("delete element inet picket %s { %s }", set.Name, one)
}
