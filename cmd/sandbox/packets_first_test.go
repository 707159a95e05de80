package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset/oracle"
)

// firstTimers returns the trio and clients on both nodes, each of which may send to one port of
// a/web and nowhere else.
func firstTimers(t *testing.T, count int) (w *oracle.World, clients []string) {
	pods := []string{trio}
	for i := range count {
		clients = append(clients, fmt.Sprintf("a/first%d", i))
		pods = append(pods, fmt.Sprintf("%s n%d app=first", clients[i], 1+i%2))
	}
	return setting{pods: strings.Join(pods, "\n"), policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [
			{from: [{podSelector: {matchLabels: {app: first}}}], ports: [{port: 5002, protocol: UDP}]}]}`,
		`a/out {podSelector: {matchLabels: {app: first}}, policyTypes: [Egress], egress: [
			{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5002, protocol: UDP}]}]}`,
	}}.world(t), clients
}

// What a pod sends first arrives if it is permitted, as soon as the rules are in: nobody has to
// find neighbours before, or to send twice.
func TestFirstDatagramArrivesOnRealPackets(t *testing.T) {
	const clients = 40
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %t", strict), func(t *testing.T) {
			r := newRig(t, rigOptions{strict: strict})
			r.become(setting{pods: trio}.world(t))
			w, names := firstTimers(t, clients)
			r.build(w)
			heard := r.listen("a/web", 5002)
			r.tell(w)
			for _, name := range names {
				for _, to := range r.addrsOf("a/web") {
					r.must(r.sendUDP(name, to, 5002))
				}
			}
			if want := int64(2 * clients); !holdsWithin(2*silence, func() bool {
				return heard.Load() == want
			}) {
				t.Errorf("BREAK: %d of %d arrived", heard.Load(), want)
			}
		})
	}
}
