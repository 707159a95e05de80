package sandbox_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/picket-project/picket/cmd/sandbox"
)

// An open connection of two pods is no way to either of them: what a neighbour sends in the name of
// one, at the right ports and by its own port of the bridge, does not reach the other. What they
// themselves send does.
func TestForgedPacketOfAnOpenFlowOnRealPackets(t *testing.T) {
	for _, peer := range []string{"a/friend", "a/far"} {
		t.Run(peer, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			w := setting{pods: trio + "\na/friend n1 app=friend", policies: []string{
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`,
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`,
			}}.world(t)
			r.build(w)
			forged := func(mark string) (heard, all int) {
				for i := range r.pods["a/web"].Addrs {
					r.openFlow("a/web", peer, i, mark)
					ear := r.hears("a/web", mark+"forged.")
					frame := r.answer("a/web", peer, i, mark+"forged.")
					r.sendFrames("a/cli", frame)
					if holdsWithin(silence, func() bool { return ear.Count() > 0 }) {
						heard++
					}
					all++
					// The connection goes on meanwhile.
					r.answered("a/web", peer, i, mark+"own.")
				}
				return heard, all
			}
			if heard, all := forged("open."); heard != all {
				t.Fatalf("%d of %d arrive while nobody filters", heard, all)
			}
			r.start()
			r.tell(w)
			if heard, all := forged("fenced."); heard > 0 {
				t.Errorf("LEAK: %d of %d reach a pod as answers of another one", heard, all)
			}
		})
	}
}

// openFlow has two pods exchange a datagram each way, so that their connection is open.
func (r *rig) openFlow(from, to string, family int, mark string) {
	r.t.Helper()
	ear := r.hears(to, mark+"first.")
	packet := marked(r.pods[from].Addrs[family], r.pods[to].Addrs[family], mark+"first.")
	eventually(r.t, "the first datagram arrives", func() bool {
		r.sendFrames(from, sandbox.Frame{To: r.nextHop(from, to), Packet: packet})
		return holdsWithin(silence, func() bool { return ear.Count() > 0 })
	})
	r.answered(from, to, family, mark+"second.")
}

// answered waits until an answer has arrived.
func (r *rig) answered(from, to string, family int, mark string) {
	r.t.Helper()
	ear := r.hears(from, mark)
	frame := r.answer(from, to, family, mark)
	frame.To = r.nextHop(to, from)
	eventually(r.t, "the answer arrives", func() bool {
		r.sendFrames(to, frame)
		return holdsWithin(silence, func() bool { return ear.Count() > 0 })
	})
}

// answer is what answers to the first datagram of a flow.
func (r *rig) answer(from, to string, family int, mark string) sandbox.Frame {
	r.t.Helper()
	return sandbox.Frame{To: r.macOf(from),
		Packet: markedReply(r.pods[to].Addrs[family], r.pods[from].Addrs[family], mark)}
}

// nextHop is the MAC address by which a pod reaches another one: its own, or that of its node.
func (r *rig) nextHop(from, to string) net.HardwareAddr {
	r.t.Helper()
	if node := r.pods[from].Node; node != r.pods[to].Node {
		return r.macOfNode(node)
	}
	return r.macOf(to)
}

// What belongs to an open connection reaches its pod alone, too, where the bridge has forgotten where
// that is.
func TestFloodOfAnOpenFlowOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	w := subjects.world(t)
	r.build(w)
	flood := func(mark string) (others int) {
		for i, from := range r.pods["a/friend"].Addrs {
			r.openFlow("a/friend", "a/web", i, fmt.Sprint(mark, i))
			stranger, pod := r.hears("a/cli", mark), r.hears("a/web", mark)
			packet := marked(from, r.pods["a/web"].Addrs[i], mark)
			r.must(r.InNode("n1", func() error { return forget(r.macOf("a/web")) }))
			r.sendFrames("a/friend", sandbox.Frame{To: r.macOf("a/web"), Packet: packet})
			eventually(t, "it arrives", func() bool { return pod.Count() > 0 })
			holdsWithin(silence, func() bool { return false })
			others += stranger.Count()
		}
		return others
	}
	wantFlood(t, flood)
	r.start()
	r.tell(w)
	for n := range 5 {
		if flood(fmt.Sprintf("fenced flood %d.", n)) > 0 {
			t.Fatal("LEAK: it reaches another pod, too")
		}
	}
}
