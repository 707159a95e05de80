package main

import (
	"context"
	"fmt"
	"strings"
)

// legacyRules are the node's rules as Picket makes them for legacy iptables and ipset, some times
// after each other: none of them accepts, so a packet passes all.
func (l layout) legacyRules(ctx context.Context, copies int) ([]ruleLoad, error) {
	script, err := renderAs(ctx, "iptables", planeNode, l.objects())
	var loads []ruleLoad
	for i := range copies {
		loads = append(loads, legacyLoads(legacyCopy(script, i))...)
	}
	return loads, err
}

// legacyCopy renames the chains and sets of a script, so that it stands beside others. The new
// names are as long as the old ones.
func legacyCopy(script string, n int) string {
	return strings.NewReplacer("picket-", fmt.Sprintf("pi%03dt-", n),
		"pkt-", fmt.Sprintf("p%02d-", n)).Replace(script)
}

// legacyLoads reads what `picket render -o iptables` prints: texts, each below a line that ends
// with the program that reads it.
func legacyLoads(script string) (loads []ruleLoad) {
	for _, text := range strings.Split("\n"+script, "\n# ")[1:] {
		head, input, _ := strings.Cut(text, "\n")
		_, program, _ := strings.Cut(head, ": ")
		loads = append(loads, ruleLoad{strings.Fields(program), input + "\n"})
	}
	return loads
}
