package sandbox_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// isolatedNeighbours are pods of one bridge of which one may receive nothing, and another may send
// nothing.
var isolatedNeighbours = setting{
	pods: trio + "\na/friend n1 app=friend\na/caged n1 app=caged",
	policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`,
		`a/out {podSelector: {matchLabels: {app: caged}}, policyTypes: [Egress]}`,
	},
}

const neighbourFlows = `deny a/cli > a/web TCP 80
	deny a/cli > a/web UDP 81
	deny a/caged > a/friend UDP 81
	allow a/cli > a/friend UDP 81
	allow a/cli > n1 TCP 80
	allow n1 > a/web TCP 80
	allow a/caged > n1 UDP 80
	deny a/cli > a/web PING`

// A switch that somebody turns off is on again within a second.
func TestSwitchIsTurnedOnAgainOnRealPackets(t *testing.T) {
	for _, path := range bridgeSwitches {
		t.Run(path, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			w := isolatedNeighbours.world(t)
			r.become(w)
			r.must(r.InNode("n1", func() error { return os.WriteFile(path, []byte("0"), 0) }))
			began := time.Now()
			eventually(t, "it is on", func() bool { return r.switchOf("n1", path) == "1" })
			if took := time.Since(began); took > speed.Limit(time.Second) {
				t.Errorf("it is on again after %v", took)
			}
			r.waitInForce()
			r.check(w, neighbourFlows)
		})
	}
}

// Where the agent may not write to /proc/sys, as in the DaemonSet, the node is not ready while a
// switch is off, and within a second isolated pods exchange nothing with their neighbours until it
// is on again.
func TestSwitchThatStaysOffOnRealPackets(t *testing.T) {
	needBridges(t)
	r := newReadOnlyRig(t)
	set := r.setSwitches
	w := isolatedNeighbours.world(t)
	r.become(w)
	r.check(w, neighbourFlows)
	for round := range 2 {
		set("0")
		began := time.Now()
		r.agents["n1"].await(t, "not ready", func() bool {
			return strings.Contains(r.agents["n1"].control.Health.Readiness().Reasons["host"],
				"sysctl -w")
		})
		r.agents["n1"].await(t, "closed", func() bool {
			return r.leaks(fmt.Sprintf("probe %d %d.", round, time.Now().UnixNano())) == 0
		})
		if took := time.Since(began); took > speed.Limit(time.Second) {
			t.Errorf("closed after %v", took)
		}
		r.check(w, strings.ReplaceAll(neighbourFlows, "a/cli > a/web PING",
			"a/friend > a/web PING"))
		set("1")
		r.agents["n1"].await(t, "ready again", func() bool {
			return r.agents["n1"].control.Health.Readiness().Ready
		})
		r.check(w, neighbourFlows)
	}
}

// What a pod answers to a packet that passed while a switch was off would look like the first packet
// of a connection of its own, by which the other's packets then came in as replies.
func TestAnswerToUnseenPacketOnRealPackets(t *testing.T) {
	r := newReadOnlyRig(t)
	w := isolatedNeighbours.world(t)
	r.become(w)
	ready := func() bool { return r.agents["n1"].control.Health.Readiness().Ready }
	send := func(from, to, mark string, reply bool) {
		for i, source := range r.pods[from].Addrs {
			packet := marked(source, r.pods[to].Addrs[i], mark)
			if reply {
				packet = markedReply(source, r.pods[to].Addrs[i], mark)
			}
			r.sendFrames(from, sandbox.Frame{To: r.macOf(to), Packet: packet})
		}
	}
	// It is not scaled: the controller closes the ports for no longer than unseenPause, however slow.
	const answering = 100 * time.Millisecond
	for _, way := range [][2]string{{"a/cli", "a/web"}, {"a/caged", "a/friend"}} {
		client, server := way[0], way[1]
		r.setSwitches("0")
		r.agents["n1"].await(t, "not ready", func() bool { return !ready() })
		send(client, server, "unseen.", false)
		r.setSwitches("1")
		for end := time.Now().Add(answering); time.Now().Before(end); {
			send(server, client, "the answer.", true)
		}
		r.agents["n1"].await(t, "ready again", ready)
		mark := "again, from " + client + "."
		ear := r.hears(server, mark)
		send(client, server, mark, false)
		r.awaitMark("a/cli", "a/friend", int(time.Now().UnixNano()))
		if got := ear.Count(); got > 0 {
			t.Errorf("%s > %s: %d packets come in as replies to an answer", client, server, got)
		}
		r.check(w, neighbourFlows)
	}
}

// newReadOnlyRig starts nodes whose agents may not turn the switches on, which are on.
func newReadOnlyRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, rigOptions{idle: true, readOnly: true})
	for _, node := range []string{"n1", "n2", "n3"} {
		r.must(r.InNode(node, filterBridges))
	}
	r.start()
	return r
}

// setSwitches turns both switches of the first node on or off.
func (r *rig) setSwitches(value string) {
	r.t.Helper()
	r.must(r.InNode("n1", func() error {
		for _, path := range bridgeSwitches {
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	}))
}

// leaks counts what arrives of one packet for each way that is forbidden.
func (r *rig) leaks(mark string) int {
	r.t.Helper()
	web, friend := r.hears("a/web", mark), r.hears("a/friend", mark)
	for _, way := range [][2]string{{"a/cli", "a/web"}, {"a/caged", "a/friend"}} {
		for i, from := range r.pods[way[0]].Addrs {
			r.sendFrames(way[0], sandbox.Frame{To: r.macOf(way[1]),
				Packet: marked(from, r.pods[way[1]].Addrs[i], mark)})
		}
	}
	r.awaitMark("a/cli", "a/friend", int(time.Now().UnixNano()))
	return web.Count() + friend.Count()
}

func (r *rig) switchOf(node, path string) (value string) {
	r.t.Helper()
	r.must(r.InNode(node, func() error {
		text, err := os.ReadFile(path)
		value = strings.TrimSpace(string(text))
		return err
	}))
	return value
}

func filterBridges() error {
	for _, path := range bridgeSwitches {
		if err := os.WriteFile(path, []byte("1"), 0); err != nil {
			return err
		}
	}
	return nil
}

// restrained is the product's look at its host from a container that sees /proc/sys read-only.
type restrained struct {
	visitor
	ns *os.File // of the node
}

func (v restrained) Filter() error { return readOnly(v.ns, v.host.Filter) }

// readOnly runs f in a network namespace, on a thread of its own that sees /proc/sys so, and that
// ends with it.
func readOnly(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return os.NewSyscallError("setns", err)
			}
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return os.NewSyscallError("unshare", err)
			}
			for _, m := range []struct {
				source, target string
				flags          uintptr
			}{
				{"none", "/", unix.MS_REC | unix.MS_PRIVATE},
				{"/proc/sys", "/proc/sys", unix.MS_BIND},
				{"none", "/proc/sys", unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
			} {
				if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
					return os.NewSyscallError("mount", err)
				}
			}
			return f()
		}()
	}()
	return <-done
}
