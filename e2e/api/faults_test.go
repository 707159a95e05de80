package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fault comes between an agent and the API server.
type fault struct {
	name    string
	lasting time.Duration                 // before anything changes; 0: until all watches are back
	begin   func(context.Context, *proxy) // until ctx ends; the proxy counts what it has done
}

// faults lists all that an agent must live through.
func faults() []fault {
	wrong := refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError)
	expired := refuse(http.StatusGone, metav1.StatusReasonExpired)
	return []fault{
		// Connections and packets.
		{"cut every second", 4 * time.Second, cutEvery(time.Second)},
		{"cut all the time", 3 * time.Second, cutEvery(50 * time.Millisecond)},
		{"away", 6 * time.Second, away},
		{"packets vanish", 5 * time.Second, losePackets},
		// Errors instead of answers.
		{"all answers are 500", 4 * time.Second, answers(wrong)},
		{"LIST answers 500", 4 * time.Second,
			answers(inOrder(forVerb("watch", expireWatch), forVerb("list", wrong)))},
		{"410 Gone, an answer", 6 * time.Second, answers(forVerb("watch", expired))},
		{"410 Gone, an event", 6 * time.Second, answers(forVerb("watch", expireWatch))},
		// Answers that are wrong, or late.
		{"half a LIST", 4 * time.Second,
			answers(inOrder(forVerb("watch", expireWatch), forVerb("list", halfAnswer)))},
		{"an empty LIST", 2 * time.Second,
			answers(inOrder(forVerb("watch", firstAnswer(expireWatch)),
				forVerb("list", firstAnswer(emptyList))))},
		{"slow", 4 * time.Second, answers(inOrder(
			forVerb("list", delayed(2*time.Second)), forVerb("watch", firstAnswer(expireWatch)),
			forVerb("watch", deliver(delayEach(300*time.Millisecond)))))},
		// Events that no server sends like that: a stream of them is ordered.
		{"every event twice", 0, answers(forVerb("watch", deliver(repeatAll)))},
		{"the old version after the new one", 0,
			answers(forVerb("watch", deliver(oldAfterNew)))},
		{"the last event first", 0, answers(forVerb("watch", deliver(lastFirst)))},
	}
}

// Whatever comes between, the last state stays enforced: nothing forbidden arrives, nothing
// permitted is held up. What changes meanwhile is in force soon after it is over, and the kernel
// then holds what it would if nothing had happened.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newShopCluster(t)
			w.prepare()
			forbidden, permitted := w.stream("far", "web"), w.stream("steady", "web")
			w.changeDuring(f)
			w.checkRecovery(f)
			w.deletePod("gone")
			held := w.stableListings()
			w.endUninterrupted(permitted)
			w.endForbidden(forbidden)
			w.compareAllWithFresh(held)
		})
	}
}

// checkRecovery waits until what has changed is in force, just after the fault was over.
func (w *testCluster) checkRecovery(f fault) {
	w.Helper()
	over, limit := time.Now(), recoveryLimit()
	w.reachesWithin(limit, "late", "steady")
	eventually(w.T, limit-time.Since(over), w.isUpToDate)
	took := time.Since(over).Round(time.Millisecond)
	for _, a := range w.agents {
		a.waitReady()
		w.Logf("%s: in force %s after it was over; %s met it %d times", f.name, took, a.node,
			a.met.Load())
		if a.met.Load() == 0 {
			w.Errorf("%s never met it", a.node)
		}
	}
}

// isUpToDate looks in the kernels for the changes that no probe sees. Only an agent that has
// received the last policy has also received the one before, which came and went.
func (w *testCluster) isUpToDate() error {
	var all strings.Builder
	for _, a := range w.agents {
		text, err := w.listing(a.node)
		if err != nil {
			return err
		}
		all.WriteString(text)
		for _, old := range []string{w.namespace + "/gone", w.namespace + "/allow-none"} {
			if strings.Contains(text, old) {
				return fmt.Errorf("%s still holds %s", a.node, old)
			}
		}
	}
	for _, last := range []string{"ingress/" + w.namespace + "/late", w.namespace + "/allow-last"} {
		if !strings.Contains(all.String(), last) {
			return fmt.Errorf("no node holds %s yet", last)
		}
	}
	return nil
}

// prepare makes the pods and policies that changeDuring changes.
func (w *testCluster) prepare() {
	w.Helper()
	w.addPod("steady", 0, 7)
	w.addPod("gone", 1, 7)
	w.label("gone", "near")
	w.apply(denyAll)
	w.apply(allow("near"))
	w.apply(allowAll("steady"))
	w.reaches("gone", "near", "steady")
}

// allowAll is a policy that lets pods with a label send web all that they like.
func allowAll(app string) string {
	return fmt.Sprintf(`
metadata: {name: allow-all-of-%s}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: %[1]s}}}]}]}`, app)
}

// changeDuring begins a fault for all agents, and changes a lot before it ends, some of it more
// than once.
func (w *testCluster) changeDuring(f fault) {
	w.Helper()
	end := w.beginFault(f)
	sleep(w.Context(), f.lasting)
	if f.lasting == 0 {
		w.waitForWatches()
	}
	w.addPod("late", 1, 8)
	w.apply(allow("none"))
	for _, app := range []string{"other", "near", "other"} {
		w.label("near", app)
	}
	w.label("late", "near")
	w.unregister("gone")
	w.deletePolicies("allow-none")
	w.apply(allow("last"))
	sleep(w.Context(), 500*time.Millisecond) // so that the fault changes these events, too
	end()
}

// waitForWatches waits until every agent has asked again for all its watches, which a fault cut.
func (w *testCluster) waitForWatches() {
	w.Helper()
	eventually(w.T, wait, func() error {
		for _, a := range w.agents {
			if n := a.proxy.delivered.Load(); n < int64(len(watched)) {
				return fmt.Errorf("%s has asked for %d of %d watches", a.node, n, len(watched))
			}
		}
		return nil
	})
}

// beginFault begins a fault for all agents; its result ends it.
func (w *testCluster) beginFault(f fault) (end func()) {
	ctx, stop := context.WithCancel(w.Context())
	var ending sync.WaitGroup
	for _, a := range w.agents {
		ending.Go(func() { f.begin(ctx, a.proxy) })
	}
	end = sync.OnceFunc(func() {
		stop()
		ending.Wait()
	})
	w.Cleanup(end)
	return end
}

// endUninterrupted ends a stream that must not have been held up.
func (w *testCluster) endUninterrupted(s *stream) {
	w.Helper()
	sent, heard := s.sent.Load(), s.heard.Load()
	s.end()
	w.Logf("%d permitted datagrams, %d arrived", sent, heard)
	if heard < sent*95/100 { // a busy machine loses some
		w.Errorf("of %d permitted datagrams %d arrived", sent, heard)
	}
}

func cutEvery(every time.Duration) func(context.Context, *proxy) {
	return func(ctx context.Context, p *proxy) {
		for ; ctx.Err() == nil; sleep(ctx, every) {
			p.met.Add(int64(p.cut()))
		}
	}
}

func away(ctx context.Context, p *proxy) {
	p.met.Add(int64(p.away()))
	<-ctx.Done()
	p.back()
}

// answers applies a change to answers. Watches that are open are cut first, so that they are asked
// for again; in the end they are not, since that would repair something.
func answers(c change) func(context.Context, *proxy) {
	return func(ctx context.Context, p *proxy) {
		p.changeAnswers(func(r *http.Response) error { return c(ctx, p, r) })
		p.cut()
		<-ctx.Done()
		p.changeAnswers(nil)
	}
}

// losePackets loses all packets, as if the server's machine had no power any more. When another one
// takes over, connections of before still get no answer.
func losePackets(ctx context.Context, p *proxy) {
	const lost = `
add table inet fault
add chain inet fault lost { type filter hook input priority -400; }
flush chain inet fault lost
add rule inet fault lost tcp dport 6443 %[1]s counter drop
add rule inet fault lost tcp sport 6443 %[2]s counter drop
list table inet fault
`
	ports := p.ports()
	p.nft(fmt.Sprintf(lost, "", ""))
	<-ctx.Done()
	p.met.Add(packets(p.nft("list table inet fault")))
	p.nft(fmt.Sprintf(lost, "tcp sport "+ports, "tcp dport "+ports))
}

// ports is a set of those that an agent's connections come from.
func (p *proxy) ports() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ports []string
	for conn := range p.conns {
		_, port, _ := net.SplitHostPort(conn.RemoteAddr().String())
		ports = append(ports, port)
	}
	return "{ " + strings.Join(ports, ", ") + " }"
}

// packets adds up the counters of a listing.
func packets(listing string) (sum int64) {
	words := strings.Fields(listing)
	for i, word := range words[1:] {
		var n int64
		if words[i] == "packets" {
			_, _ = fmt.Sscan(word, &n)
			sum += n
		}
	}
	return sum
}
