package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/picket-project/picket/e2e/listing"
)

// mutator makes random changes of the table, from what it finds there.
type mutator struct {
	random  *rand.Rand
	objects []listing.Object
}

// script is one change, for the nft program. It is empty where the table has nothing to be changed that way.
func (m mutator) script() string {
	switch m.random.IntN(14) {
	case 0:
		return m.ofRule("delete rule %s handle %v")
	case 1:
		return m.ofRule("replace rule %s handle %v accept")
	case 2:
		return m.ofRule("insert rule %s position %v accept")
	case 3:
		return m.of("chain", "insert rule inet picket %v accept")
	case 4:
		return m.of("chain", "add rule inet picket %v drop")
	case 5:
		return m.of("chain", "flush chain inet picket %v")
	case 6, 7:
		return m.element()
	case 8:
		return m.of("map", "flush map inet picket %v")
	case 9:
		return m.of("set", "flush set inet picket %v")
	case 10:
		return m.of("set", "delete set inet picket %v") // of those that no rule uses
	case 11:
		return fmt.Sprintf("add element inet picket egress4 { 10.244.9.%d : accept }", m.random.IntN(256))
	default:
		return wholesale[m.random.IntN(len(wholesale))]
	}
}

// wholesale is what needs no choice of an object.
var wholesale = []string{
	"delete table inet picket",
	"flush table inet picket",
	"flush ruleset",
	"table inet picket { flags dormant; }",
	"flush chain inet picket forward; delete chain inet picket forward",
	"chain inet picket forward { policy drop; }",
	"add chain inet picket mine { type filter hook forward priority -5; policy accept; }",
	"add set inet picket mine { type ipv4_addr; }",
}

// pick chooses an object of a kind; nil where there is none.
func (m mutator) pick(kind string) map[string]any {
	var some []map[string]any
	for _, o := range m.objects {
		if o[kind] != nil {
			some = append(some, o[kind])
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[m.random.IntN(len(some))]
}

func (m mutator) of(kind, format string) string {
	if o := m.pick(kind); o != nil {
		return fmt.Sprintf(format, o["name"])
	}
	return ""
}

func (m mutator) ofRule(format string) string {
	if r := m.pick("rule"); r != nil {
		return fmt.Sprintf(format, fmt.Sprintf("inet picket %v", r["chain"]), r["handle"])
	}
	return ""
}

// element deletes an element of a set or map.
func (m mutator) element() string {
	set := m.pick([]string{"set", "map"}[m.random.IntN(2)])
	elements, _ := set["elem"].([]any)
	if len(elements) == 0 {
		return ""
	}
	return fmt.Sprintf("delete element inet picket %v { %s }", set["name"], elementText(elements[m.random.IntN(len(elements))]))
}

// elementText is an element of `nft -j` as the nft program reads it, without its value.
func elementText(element any) string {
	switch e := element.(type) {
	case []any: // key and value
		return elementText(e[0])
	case map[string]any:
		return compoundText(e)
	default:
		return fmt.Sprint(e)
	}
}

func compoundText(e map[string]any) string {
	switch {
	case e["elem"] != nil:
		return elementText(e["elem"].(map[string]any)["val"])
	case e["prefix"] != nil:
		p := e["prefix"].(map[string]any)
		return fmt.Sprintf("%v/%v", p["addr"], p["len"])
	case e["range"] != nil:
		return joined(e["range"], "-")
	default:
		return joined(e["concat"], " . ")
	}
}

func joined(parts any, separator string) string {
	list, _ := parts.([]any)
	var texts []string
	for _, p := range list {
		texts = append(texts, elementText(p))
	}
	return strings.Join(texts, separator)
}
