package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// flow is steady traffic from one test pod to another. From far@n2 it is a process of node n2 that
// sends, with far's addresses.
type flow struct {
	from, to string
	family   int // index of the addresses: 0 is IPv4, 1 is IPv6
	network  string
	allowed  bool
}

// everyFlow lists the traffic of every row: in each family, on one node and across nodes, permitted
// and forbidden, by UDP and TCP. A datagram with a socket of its own meets the policies; those of
// one socket, and a connection that is held, show whether what is open stays open.
func everyFlow() []flow {
	return []flow{
		{"near", "web", four, "udp-new", true}, {"near", "web", six, "udp", true},
		{"far", "web", four, "udp", true}, {"far", "web", six, "udp-new", true},
		{"near", "web", four, "tcp", true}, {"near", "web", six, "tcp", true},
		{"far", "web", four, "tcp", true}, {"far", "web", six, "tcp", true},
		{"near", "web", four, "tcp-held", true}, {"far", "web", six, "tcp-held", true},
		{"alien", "web", four, "udp", false}, {"alien", "web", six, "udp-new", false},
		{"rogue", "web", four, "udp-new", false}, {"rogue", "web", six, "udp", false},
		{"caged", "free", four, "udp-new", false}, {"caged", "free", six, "udp-new", false},
		{"alien", "web", four, "tcp", false}, {"rogue", "web", six, "tcp", false},
		{"caged", "free", four, "tcp", false},
	}
}

// flows lists the traffic of the row.
func (s *testbed) flows() []flow {
	return slices.DeleteFunc(everyFlow(), func(f flow) bool { return s.plan.ipv4 && f.family == six })
}

// rates are packets, or connections, a second. What happens between two of them goes unseen.
var rates = map[string]int{"udp": 1000, "udp-new": 1000, "tcp": 50, "tcp-held": 100}

// answerWithin is how long a sender waits for an answer.
const answerWithin = 3 * time.Second

// onNodes is how many times less a process of a node sends: there is other traffic, too.
const onNodes = 5

func (f flow) String() string {
	return fmt.Sprintf("%s > %s %s IPv%d", f.from, f.to, f.network, 4+2*f.family)
}

// servers are the test pods that flows lead to.
func servers() []string {
	var names []string
	for _, f := range everyFlow() {
		if !slices.Contains(names, f.to) {
			names = append(names, f.to)
		}
	}
	return names
}

// serve starts the server in a pod and waits until it answers.
func (s *testbed) serve(podName string) error {
	cmd := s.probe("serve", "--tcp", servicePort, "--udp", fmt.Sprint(servicePort, ",", otherPort))
	if err := s.StartInPod(shop+"/"+podName, cmd); err != nil {
		return fmt.Errorf("serve in %s: %w", podName, err)
	}
	go func() { _ = cmd.Wait() }() // it ends with the sandbox
	_, err := s.await(patience, podName+" serves", func() error {
		_, err := s.arrivals(podName)
		return err
	})
	return err
}

// probe is a command of e2e/probe. It leaves the processors to who wants them: on real nodes, most
// of what sends is elsewhere.
func (s *testbed) probe(arguments ...string) *exec.Cmd {
	return exec.Command("nice", append([]string{"-n", "10", s.env.probe}, arguments...)...)
}

// sender is a flow that runs.
type sender struct {
	flow
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer
}

// newSender starts a flow. A server counts flows by their names, for as long as it lives.
func (s *testbed) newSender(f flow, name string) (*sender, error) {
	to := net.JoinHostPort(podOf(f.to).Addrs[f.family].String(), servicePort)
	podName, node, onNode := strings.Cut(f.from, "@")
	rate := rates[f.network] / (s.env.slower * s.env.fewer)
	if onNode {
		rate /= onNodes
	}
	d := &sender{flow: f, name: name}
	d.cmd = s.probe("send", "--flow", name, "--network", f.network, "--to", to, "--rate",
		fmt.Sprint(max(1, rate)), "--for", "1h", "--patience",
		fmt.Sprint(time.Duration(s.env.slower)*answerWithin))
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	d.stdin, d.cmd.Stdout, d.cmd.Stderr = stdin, &d.out, &d.out
	if onNode {
		d.cmd.Args = append(d.cmd.Args, "--from", addrsOfPod(podName)[f.family].String())
		return d, s.StartInNode(node, d.cmd)
	}
	return d, s.StartInPod(shop+"/"+f.from, d.cmd)
}

// sent is what a sender knows of its flow; see e2e/probe.
type sent struct {
	Sent, Answered, Refused int
	Late                    time.Duration
}

// wait waits for the end of a sender that was told to stop.
func (d *sender) wait() (told sent, err error) {
	if err := d.cmd.Wait(); err != nil {
		return told, fmt.Errorf("%s: %w: %s", d.flow, err, &d.out)
	}
	return told, json.Unmarshal(d.out.Bytes(), &told)
}

// arrived is what a server knows of a flow.
type arrived struct {
	Received int
	Highest  int // number; those below that are missing were lost, or are late
	Hole     time.Duration
}

// arrivals is what the server in a pod has counted.
type arrivals struct {
	Flows      map[string]arrived
	Overflowed int // datagrams that its sockets had no room for
	Unread     int // bytes and connections that still wait in sockets
}

// arrivals asks the server of a test pod what it has counted.
func (s *testbed) arrivals(podName string) (told arrivals, err error) {
	client := &http.Client{Timeout: 5 * time.Second * time.Duration(s.env.slower), Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			entered := s.InPod(shop+"/"+podName, func() error {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, entered
		},
	}}
	response, err := client.Get("http://127.0.0.1:7999")
	if err != nil {
		return told, err
	}
	defer response.Body.Close()
	return told, json.NewDecoder(response.Body).Decode(&told)
}

// allArrivals are those of all servers together.
func (s *testbed) allArrivals() (all arrivals, err error) {
	all.Flows = map[string]arrived{}
	for _, server := range servers() {
		told, askErr := s.arrivals(server)
		err = errors.Join(err, askErr)
		for name, a := range told.Flows {
			all.Flows[name] = a
		}
		all.Overflowed += told.Overflowed
		all.Unread += told.Unread
	}
	return all, err
}
