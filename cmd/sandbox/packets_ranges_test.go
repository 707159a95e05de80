package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
)

// Thousands of ranges of ports, which overlap and touch, let just those pass that each names, in
// both directions.
func TestManyRangesOnRealPackets(t *testing.T) {
	needNFTables(t, "without maps of ports, so many are more than there is room for")
	r := newRig(t, rigOptions{})
	r.play(t, setting{name: "6,000 ranges of 70 ports", pods: trio,
		policies: []string{
			fmt.Sprintf("a/in {podSelector: {matchLabels: {app: web}}, ingress: [%s]}",
				ranges("from", 6000)),
			fmt.Sprintf("a/out {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "+
				"egress: [%s]}", ranges("to", 600)),
			"a/all {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: " +
				"8.8.8.8/32}}], ports: [{port: 100, endPort: 65535}]}]}",
		},
		flows: `allow a/cli > a/web TCP 1
			allow a/cli > a/web TCP 30060
			deny a/cli > a/web TCP 30061
			allow a/far > a/web TCP 30001
			deny a/far > a/web TCP 30000
			allow a/far > a/web TCP 60060
			deny a/far > a/web TCP 60061
			deny a/cli > a/web UDP 1
			deny a/cli > a/web PING
			deny out > a/web@4 TCP 99
			allow out > a/web@4 TCP 100
			allow out > a/web@4 TCP 65535
			allow a/web > a/cli TCP 3060
			deny a/web > a/cli TCP 3061
			allow a/web > a/far TCP 3001
			deny a/web > a/far TCP 3000`})
	r.play(t, setting{name: "a few of them", pods: trio,
		policies: []string{fmt.Sprintf(
			"a/in {podSelector: {matchLabels: {app: web}}, ingress: [%s]}", ranges("from", 40))},
		flows: `allow a/cli > a/web TCP 260
			deny a/cli > a/web TCP 261
			deny a/far > a/web TCP 200
			allow a/far > a/web TCP 201
			allow a/far > a/web TCP 460
			deny a/far > a/web TCP 461`})
}

// ranges are rules for 70 ports each, ten further on each time: the first half for one pod, the
// others for another.
func ranges(word string, count int) string {
	var rules []string
	for i := range count {
		app := "far"
		if i < count/2 {
			app = "cli"
		}
		rules = append(rules, fmt.Sprintf(
			"{%s: [{podSelector: {matchLabels: {app: %s}}}], ports: [{port: %d, endPort: %d}]}",
			word, app, 1+10*i, 70+10*i))
	}
	return strings.Join(rules, ", ")
}
