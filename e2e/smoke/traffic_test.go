package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
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

// rates in packets a second. A hole shorter than the time between two of them goes unseen.
var rates = map[string]int{"udp": 1000, "tcp": 100}

func (f *flow) name() string {
	_, name, _ := strings.Cut(f.from, "/")
	return fmt.Sprintf("%.8s/%s", strings.TrimPrefix(name, "stranger-"), f.network)
}

// start begins to send. Each test has a prefix of its own, because a server counts for as long as it lives.
func (f *flow) start(t *testing.T, prefix, to string) {
	t.Helper()
	namespace, name, _ := strings.Cut(f.from, "/")
	f.cmd = exec.Command("kubectl", "exec", "-i", "-n", namespace, name, "--", "/probe", "send",
		"--flow", prefix+f.name(), "--network", f.network, "--to", to, "--rate", fmt.Sprint(rates[f.network]))
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
		{from: "shop/near", network: "udp", allowed: true}, {from: "shop/near", network: "tcp", allowed: true},
		{from: "shop/far", network: "udp", allowed: true}, {from: "shop/far", network: "tcp", allowed: true},
		{from: "shop/stranger-near", network: "udp"}, {from: "shop/stranger-near", network: "tcp"},
		{from: "shop/stranger-far", network: "udp"}, {from: "other/guest", network: "tcp"},
	}
}

// during sends traffic to the web server while something happens, and counts: LEAK, the forbidden packets that
// arrived, and BREAK, the permitted ones that did not. Both must be 0.
func during(t *testing.T, prefix string, web []place, happens func()) {
	t.Helper()
	flows := newFlows()
	for i, f := range flows {
		f.allowed = flows[i].allowed
		f.start(t, fmt.Sprintf("%s%d ", prefix, i), address(web, f.network))
	}
	arrives(t, prefix+"0 "+flows[0].name())
	happens()
	sent := make([]tally, len(flows))
	for i, f := range flows {
		sent[i] = f.stop(t)
	}
	judge(t, flows, sent, told(t))
}

func judge(t *testing.T, flows []*flow, sent []tally, received map[string]tally) {
	t.Helper()
	leak, broken := 0, 0
	for i, f := range flows {
		arrived := received[sent[i].Flow]
		if f.allowed {
			broken += sent[i].Sent - arrived.Received
		} else {
			leak += arrived.Received
		}
		t.Logf("%-24s allowed %-5t sent %6d received %6d refused %d, longest hole %v (sender late by %v)", f.from+"/"+f.network, f.allowed,
			sent[i].Sent, arrived.Received, sent[i].Refused, arrived.Hole.Round(time.Millisecond), sent[i].Late.Round(time.Millisecond))
	}
	t.Logf("LEAK = %d, BREAK = %d; a hole under %v goes unseen", leak, broken, time.Second/time.Duration(rates["udp"]))
	if leak != 0 || broken != 0 {
		t.Errorf("LEAK = %d, BREAK = %d; expected 0 of both", leak, broken)
	}
}

// address is the first of the web server's that speaks this.
func address(web []place, network string) string {
	for _, at := range web {
		if to, is := strings.CutPrefix(at.addresses[0], network+"/"); is {
			return to
		}
	}
	return ""
}

// arrives waits until a flow is seen, so that what happens then happens while traffic runs.
func arrives(t *testing.T, name string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		if told(t)[name].Received < 100 {
			return fmt.Errorf("%s does not arrive", name)
		}
		return nil
	})
}

// told is what the web server has received, by flow.
func told(t *testing.T) map[string]tally {
	t.Helper()
	received := map[string]tally{}
	if err := json.Unmarshal([]byte(must(t, "exec", "-n", "shop", "web", "--", "/probe", "told")), &received); err != nil {
		t.Fatal(err)
	}
	return received
}
