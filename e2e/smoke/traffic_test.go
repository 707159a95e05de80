package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flow is steady traffic to the web server, while something happens.
type flow struct {
	from    string // namespace/pod
	network string
	allowed bool

	cmd      *exec.Cmd
	stdin    io.Closer
	out, err bytes.Buffer
}

// rates in packets a second. What happens between two of them goes unseen.
var rates = map[string]int{"udp": 1000, "udp-new": 1000, "tcp": 100}

func (f *flow) name() string {
	_, name, _ := strings.Cut(f.from, "/")
	return fmt.Sprintf("%.4s/%s", strings.TrimPrefix(name, "stranger-"), f.network)
}

// start begins to send. Each test has a prefix of its own, because a server counts for as long as
// it lives.
func (f *flow) start(t *testing.T, prefix, to string) {
	t.Helper()
	namespace, name, _ := strings.Cut(f.from, "/")
	f.cmd = exec.Command("kubectl", "exec", "-i", "-n", namespace, name, "--", "/probe", "send",
		"--flow", prefix+f.name(), "--network", f.network, "--to", to, "--rate",
		fmt.Sprint(rates[f.network]))
	stdin, err := f.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.stdin, f.cmd.Stdout, f.cmd.Stderr = stdin, &f.out, &f.err
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// tally is what was counted of a flow, at either end.
type tally struct {
	Flow           string
	Sent, Received int
	Refused        int64
	Hole, Late     time.Duration
}

// stop ends the flow and returns what was sent.
func (f *flow) stop(t *testing.T) (sent tally) {
	t.Helper()
	_ = f.stdin.Close()
	if err := f.cmd.Wait(); err != nil {
		t.Fatalf("%s: %v: %s", f.name(), err, f.err.String())
	}
	if err := json.Unmarshal(f.out.Bytes(), &sent); err != nil {
		t.Fatal(err)
	}
	return sent
}

// newFlows are the permitted ones under the policies that everyone starts with, and forbidden ones.
func newFlows() []*flow {
	return []*flow{
		{from: "shop/near", network: "udp", allowed: true}, {from: "shop/near", network: "tcp",
			allowed: true},
		{from: "shop/far", network: "udp-new", allowed: true}, {from: "shop/far", network: "tcp",
			allowed: true},
		{from: "shop/stranger-near", network: "udp"}, {from: "shop/stranger-near", network: "tcp"},
		{from: "shop/stranger-far", network: "udp-new"}, {from: "other/guest", network: "tcp"},
	}
}

// during sends traffic to the web server while something happens, and counts: LEAK, the forbidden
// packets that arrived, and BREAK, the permitted ones that did not. Both must be 0.
func during(t *testing.T, prefix string, web []place, happens func()) {
	t.Helper()
	flows, before, excuses := newFlows(), told(t, "shop", "web"), droppedByCPU(t)
	for i, f := range flows {
		f.start(t, fmt.Sprintf("%s%d ", prefix, i), address(web, f.network))
	}
	arrives(t, prefix+"0 "+flows[0].name())
	happens()
	sent := make([]tally, len(flows))
	for i, f := range flows {
		sent[i] = f.stop(t)
	}
	after := told(t, "shop", "web")
	compareWithSent(t, flows, sent, after, after.Overflowed-before.Overflowed+droppedByCPU(t)-excuses)
}

// compareWithSent compares what was sent with what arrived. Excuses are packets that this machine
// has lost for want of time: by a full socket of the server, after all rules, or in the queue of a
// processor.
func compareWithSent(t *testing.T, flows []*flow, sent []tally, received ledger, excuses int) {
	t.Helper()
	leak, broken, floor := 0, 0, time.Duration(0)
	for i, f := range flows {
		arrived := received.Flows[sent[i].Flow]
		floor = max(floor, sent[i].Late)
		if f.allowed {
			broken += sent[i].Sent - arrived.Received
		} else {
			leak += arrived.Received
		}
		t.Logf(
			"%-26s allowed %-5t sent %6d received %6d refused %d, longest hole %v (sender late by %v)", f.from+"/"+f.network, f.allowed,
			sent[i].Sent, arrived.Received, sent[i].Refused, arrived.Hole.Round(time.Millisecond),
			sent[i].Late.Round(time.Millisecond))
	}
	t.Logf("LEAK = %d, BREAK = %d, lost for want of time %d; no sender was silent for more than %v",
		leak, broken, excuses, floor.Round(time.Millisecond))
	if leak != 0 || broken > excuses {
		t.Errorf("LEAK = %d, BREAK = %d; expected 0 of both", leak, broken)
	}
}

// droppedByCPU sums up the second column of /proc/net/softnet_stat: packets for which a processor's
// queue had no room.
func droppedByCPU(t *testing.T) (count int) {
	t.Helper()
	data, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		n, err := strconv.ParseInt(strings.Fields(line)[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		count += int(n)
	}
	return count
}

// address is the first of the web server's that speaks this.
func address(web []place, network string) string {
	for _, at := range web {
		if to, is := strings.CutPrefix(at.addresses[0], network[:3]+"/"); is {
			return to
		}
	}
	return ""
}

// arrives waits until a flow is seen, so that what happens then happens while traffic runs.
func arrives(t *testing.T, name string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		if told(t, "shop", "web").Flows[name].Received < 100 {
			return fmt.Errorf("%s does not arrive", name)
		}
		return nil
	})
}

// ledger is what a server has received.
type ledger struct {
	Flows      map[string]tally
	Overflowed int // datagrams that its sockets had no room for
}

func told(t *testing.T, namespace, server string) (l ledger) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, "exec", "-n", namespace, server, "--", "/probe",
		"told")), &l); err != nil {
		t.Fatal(err)
	}
	return l
}
