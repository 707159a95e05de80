package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// openConnections takes the permission for half of many connections that are open, and gives it
// back. What is forbidden must be silent within a second, whoever talks, and go on afterwards;
// nobody else may notice anything.
type openConnections struct{}

func (openConnections) Name() string { return "open-connections" }

func (openConnections) Plan() plan { return plan{} }

const cutWithin = time.Second

func (openConnections) Inject(s *testbed) error {
	o := &openRun{testbed: s}
	defer o.close()
	count, rounds := s.times(1000, 100), s.times(6, 2)
	if err := o.open(count); err != nil {
		return err
	}
	for i := range rounds {
		if err := o.restrict(o.restrictions()[i%2]); err != nil {
			return err
		}
	}
	s.done("half of %d open connections forbidden and allowed again, %d times", count, rounds)
	o.checkStaying()
	return nil
}

// openRun is the connections of the row: those that stay allowed, and those that do not.
type openRun struct {
	testbed        *testbed
	staying, going []*stream
	ports          []listeningPort
	pause          time.Duration // the longest of those that stay allowed
}

// connectionClients are the pods that the connections come from. They lead to connectionServer.
func connectionClients() []sandbox.Pod {
	return []sandbox.Pod{
		{Name: shop + "/connection-client1", Node: nodeName(1), Addrs: addrs(1, 31)},
		{Name: shop + "/connection-client2", Node: nodeName(2), Addrs: addrs(2, 31)},
	}
}

func connectionServer() sandbox.Pod {
	return sandbox.Pod{Name: shop + "/connection-server", Node: nodeName(1), Addrs: addrs(1, 30)}
}

// open opens connections of every kind: by both families and protocols, in both directions.
func (o *openRun) open(count int) error {
	if err := o.addPods(); err != nil {
		return err
	}
	for n := range count {
		x := &stream{from: connectionClients()[n/2%2].Name,
			network: []string{"tcp", "tcp", "udp"}[n/4%3], pushed: n/4%3 > 0}
		x.to = net.JoinHostPort(connectionServer().Addrs[n/12%2].String(), ports()[n%2])
		if err := x.open(o.testbed, o.ports[n%2]); err != nil {
			return err
		}
		if n%2 == 0 {
			o.staying = append(o.staying, x)
		} else {
			o.going = append(o.going, x)
		}
	}
	_, err := o.testbed.awaitProgress(slices.Concat(o.staying, o.going))
	return err
}

// ports are those of the connections that stay allowed, and of those that do not.
func ports() []string { return []string{"81", "82"} }

// addPods adds the pods and their policy.
func (o *openRun) addPods() error {
	s, documents := o.testbed, []string{podManifest(connectionServer(), "app", "connection-server")}
	errs := []error{s.AddPod(connectionServer())}
	for _, g := range connectionClients() {
		documents = append(documents, podManifest(g, "app", "connection-client"))
		errs = append(errs, s.AddPod(g))
	}
	errs = append(errs, s.folder.put("connections.yaml", documents...),
		s.folder.put("connection-server.yaml", serverPolicy(true)))
	for _, port := range ports() {
		d, err := s.listenOn(connectionServer().Name, port)
		o.ports, errs = append(o.ports, d), append(errs, err)
	}
	return errors.Join(errs...)
}

func (o *openRun) close() {
	for _, x := range slices.Concat(o.staying, o.going) {
		x.close()
	}
	for _, d := range o.ports {
		d.close()
	}
}

// restriction is a change that forbids half of the connections, and how it is undone.
type restriction struct {
	name       string
	do, undone func() error
}

// restrictions are such changes at the server's node, and at the clients'.
func (o *openRun) restrictions() []restriction {
	f := o.testbed.folder
	return []restriction{
		{"the server's policy",
			func() error { return f.put("connection-server.yaml", serverPolicy(false)) },
			func() error { return f.put("connection-server.yaml", serverPolicy(true)) }},
		{"a policy of the clients",
			func() error { return f.put("connection-client.yaml", clientPolicy) },
			func() error { return f.drop("connection-client.yaml") }},
	}
}

// serverPolicy lets the clients in on one of the ports, or on both.
func serverPolicy(both bool) string {
	more := ""
	if both {
		more = ", {port: 82}, {port: 82, protocol: UDP}"
	}
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: connection-server}
spec:
  podSelector: {matchLabels: {app: connection-server}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: connection-client}}}], ports: [{port: 81}, {port: 81, protocol: UDP}%s]}]
`, more)
}

const clientPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: connection-client}
spec:
  podSelector: {matchLabels: {app: connection-client}}
  policyTypes: [Egress]
  egress: [{ports: [{port: 81}, {port: 81, protocol: UDP}]}]
`

// restrict makes a change, looks when the forbidden connections fell silent and whether they stay
// so, and takes the change back.
func (o *openRun) restrict(n restriction) error {
	o.longestPause()
	began, waits := time.Now(), o.testbed.spans()
	if err := n.do(); err != nil {
		return err
	}
	o.testbed.sleep(time.Until(began.Add(cutWithin)))
	held := max(o.longestPause(), longestHeld(waits))
	o.testbed.sleep(held)
	leak := -receivedBy(o.going)
	o.testbed.sleep(cutWithin)
	leak += receivedBy(o.going)
	o.testbed.ownLoss.leak += leak
	after := silences(o.going, began)
	o.testbed.note(
		"%s: the last of %d was silent after %v, half of them after %v; %d numbers arrived "+
			"after %v and what the machine held up the others or the agents, %v",
		n.name, len(after), millis(after[len(after)-1]), millis(after[len(after)/2]), leak,
		cutWithin, millis(held))
	if err := n.undone(); err != nil {
		return err
	}
	took, err := o.testbed.awaitProgress(o.going)
	o.testbed.note("%s, taken back: all went on after %v", n.name, millis(took))
	return err
}

// longestPause returns by how much the connections that stay allowed were late at most since it was
// last called.
func (o *openRun) longestPause() time.Duration {
	longest := time.Duration(0)
	for _, x := range o.staying {
		longest = max(longest, time.Duration(x.pause.Swap(0)))
	}
	o.pause = max(o.pause, longest)
	return max(0, longest-sendInterval)
}

func receivedBy(streams []*stream) (count int) {
	for _, x := range streams {
		count += int(x.received.Load())
	}
	return count
}

// silences are the times until streams received something for the last time, the shortest first.
func silences(streams []*stream, began time.Time) []time.Duration {
	var all []time.Duration
	for _, x := range streams {
		all = append(all, max(0, time.Unix(0, x.last.Load()).Sub(began)))
	}
	slices.Sort(all)
	return all
}

// checkStaying looks whether the others were disturbed. What TCP lost it sends again, so that shows
// as a pause.
func (o *openRun) checkStaying() {
	o.longestPause()
	lost := 0
	for _, x := range o.staying {
		lost += x.lost()
	}
	o.testbed.ownLoss.broken += lost
	for _, x := range slices.Concat(o.staying, o.going) {
		if x.reset.Load() {
			o.testbed.fault("%s: reset", x)
		}
	}
	o.testbed.note(
		"connections that stayed allowed: %d numbers lost; longest pause %v, with one every %v",
		lost, millis(o.pause), sendInterval)
}
