package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// traffic is flows that run.
type traffic struct {
	testbed *testbed
	senders []*sender
	sent    []sent
	told    arrivals // by the servers, in the end
	dropped int      // by processors, before
}

// tally is what a row's traffic came to.
type tally struct {
	leak   int // forbidden packets that arrived
	broken int // permitted ones that did not
	resets int // of connections that are permitted
	// the longest time without a packet in a permitted UDP flow, a late sender included
	hole  time.Duration
	floor time.Duration // no sender was silent for longer: a shorter fault can go unseen
	lost  int           // by this machine: a socket or a processor's queue had no room
}

// startTraffic starts flows and waits until the permitted ones arrive.
func (s *testbed) startTraffic(prefix string, flows []flow) (*traffic, error) {
	t := &traffic{testbed: s, dropped: droppedByProcessors()}
	for i, f := range flows {
		d, err := s.newSender(f, fmt.Sprintf("%s%d", prefix, i))
		if err != nil {
			return nil, fmt.Errorf("send %s: %w", f, err)
		}
		t.senders = append(t.senders, d)
	}
	_, err := s.await(patience, "permitted traffic arrives", t.arrives)
	return t, err
}

func (t *traffic) arrives() error {
	told, err := t.testbed.allArrivals()
	for _, d := range t.senders {
		if d.allowed && told.Flows[d.name].Received < 20 {
			err = errors.Join(err, fmt.Errorf("%s does not", d.flow))
		}
	}
	return err
}

// stop ends all flows and asks both ends what they have counted.
func (t *traffic) stop() (err error) {
	for _, d := range t.senders {
		_ = d.stdin.Close()
	}
	t.sent = make([]sent, len(t.senders))
	for i, d := range t.senders {
		var waitErr error
		t.sent[i], waitErr = d.wait()
		err = errors.Join(err, waitErr)
	}
	if err != nil {
		return err
	}
	return t.count()
}

// count asks the servers, again for as long as what is missing may still wait for a server that has
// no processor.
func (t *traffic) count() (err error) {
	for end, last := time.Now().Add(unread), -1; ; time.Sleep(50 * time.Millisecond) {
		if t.told, err = t.testbed.allArrivals(); err != nil {
			return err
		}
		missing := t.missing()
		if missing != last {
			end, last = time.Now().Add(unread), missing
		}
		if missing == 0 || time.Now().After(end) {
			return nil
		}
	}
}

// unread is how long what has arrived may wait for a server to read it, on a machine that has much
// else to do: some times as long as senders have been seen to wait.
const unread = 3 * time.Second

// missing is how many permitted packets nobody has read.
func (t *traffic) missing() (sum int) {
	for i, d := range t.senders {
		if d.allowed {
			sum += t.sent[i].Sent - t.told.Flows[d.name].Received
		}
	}
	return sum
}

// tally compares what was sent with what arrived.
func (t *traffic) tally() tally {
	sum := tally{lost: t.told.Overflowed + droppedByProcessors() - t.dropped}
	for i, d := range t.senders {
		sum.add(d.flow, t.sent[i], t.told.Flows[d.name])
		if there := t.told.Flows[d.name]; d.allowed && t.sent[i].Sent != there.Received ||
			!d.allowed && there.Received > 0 {
			t.testbed.note("%s: sent %d, received %d, reset %d, longest hole %v", d.flow,
				t.sent[i].Sent, there.Received, t.sent[i].Refused, millis(there.Hole))
		}
	}
	return sum
}

func (s *tally) add(f flow, here sent, there arrived) {
	s.floor = max(s.floor, here.Late)
	if !f.allowed {
		s.leak += there.Received
		return
	}
	s.broken += here.Sent - there.Received
	s.resets += here.Refused
	if strings.HasPrefix(f.network, "udp") {
		s.hole = max(s.hole, there.Hole)
	}
}

// selfCheck shows that what is forbidden does arrive while nobody forbids it: that the prober can
// see a leak.
func (s *testbed) selfCheck(prefix string, flows []flow) error {
	var forbidden []flow
	for _, f := range flows {
		if !f.allowed {
			f.allowed = true
			forbidden = append(forbidden, f)
		}
	}
	t, err := s.startTraffic(prefix, forbidden)
	if err != nil {
		return fmt.Errorf("self-check, without an agent: %w", err)
	}
	return t.stop()
}

// droppedByProcessors sums up the second column of /proc/net/softnet_stat: packets of the whole
// machine for which a processor's queue had no room.
func droppedByProcessors() (count int) {
	data, _ := os.ReadFile("/proc/net/softnet_stat")
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 16, 64)
			count += int(n)
		}
	}
	return count
}
