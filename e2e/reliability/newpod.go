package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// newPod is a pod that no agent knows yet. It may send to the pod open-server, and not to
// closed-server.
type newPod struct {
	testbed  *testbed
	number   int // among all of the row
	flow     string
	forbid   [2]net.Conn // by family
	permit   net.Conn
	sent     int           // forbidden packets of each family
	answered chan struct{} // closed when a permitted packet has arrived
	delay    time.Duration // from the first permitted packet until then
}

// newPodHosts is how many addresses new pods use by turns, so that an address is used again only
// after a while.
const newPodHosts = 60

func (n *newPod) pod() sandbox.Pod {
	node, host := 1+n.number%2, 160+n.number/2%newPodHosts
	return sandbox.Pod{Name: fmt.Sprintf("%s/new%d", shop, n.number), Node: nodeName(node),
		Addrs: addrs(node, host)}
}

func (n *newPod) file() string { return fmt.Sprintf("new-%d.yaml", n.number) }

// create makes the pod, which sends nothing yet.
func (n *newPod) create() error {
	if err := n.testbed.AddPod(n.pod()); err != nil {
		return err
	}
	n.answered = make(chan struct{})
	return n.testbed.InPod(n.pod().Name, func() (err error) {
		for family := range n.forbid {
			if n.forbid[family], err = dialServer(closedServer, family); err != nil {
				return err
			}
		}
		n.permit, err = dialServer(openServer, n.number/2%2)
		return err
	})
}

func dialServer(podName string, family int) (net.Conn, error) {
	return net.Dial("udp", net.JoinHostPort(newPodServer(podName).Addrs[family].String(),
		servicePort))
}

// sendAndAnnounce has the pod send what is forbidden before anything else, then writes its
// manifest, and sends both until something permitted has arrived, and a little longer.
func (n *newPod) sendAndAnnounce() error {
	for range 20 {
		n.sendForbidden()
	}
	if err := n.testbed.folder.put(n.file(), podManifest(n.pod(), "app", "new-pod")); err != nil {
		return err
	}
	began := time.Now()
	go n.awaitAnswer(began)
	for after := 20; after > 0; time.Sleep(time.Millisecond) {
		_, _ = n.permit.Write(numbered(openServer, 0, false))
		n.sendForbidden()
		select {
		case <-n.answered:
			after--
		default:
		}
		if time.Since(began) > patience {
			return fmt.Errorf("pod %s: nothing that is permitted has arrived for %v", n.pod().Name,
				patience)
		}
	}
	return nil
}

func (n *newPod) sendForbidden() {
	for family, conn := range n.forbid {
		_, _ = conn.Write(numbered(n.flow, n.number<<20|n.sent<<1|family, true))
	}
	n.sent++
}

// awaitAnswer waits for the first answer; what an ICMP error says is none.
func (n *newPod) awaitAnswer(began time.Time) {
	for {
		_, err := n.permit.Read(make([]byte, 64))
		switch {
		case err == nil:
			n.delay = time.Since(began)
			close(n.answered)
			return
		case errors.Is(err, net.ErrClosed):
			return
		}
	}
}

// remove ends the pod.
func (n *newPod) remove() error {
	for _, conn := range []net.Conn{n.forbid[0], n.forbid[1], n.permit} {
		if conn != nil {
			_ = conn.Close()
		}
	}
	return errors.Join(n.testbed.folder.drop(n.file()), n.testbed.DeletePod(n.pod().Name))
}

// numbered is a packet as e2e/probe counts it.
func numbered(flow string, number int, quiet bool) []byte {
	data := make([]byte, 25)
	copy(data, flow)
	binary.BigEndian.PutUint64(data[16:], uint64(number))
	if quiet {
		data[24] = 1
	}
	return data
}
