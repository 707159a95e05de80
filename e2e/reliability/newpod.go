package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// newcomer is a pod that nobody has heard of yet. It may speak to the pod hall, and not to the pod vault.
type newcomer struct {
	scene    *scene
	number   int // among all of the row
	flow     string
	forbid   [2]net.Conn // by family
	permit   net.Conn
	sent     int           // forbidden packets of each family
	answered chan struct{} // closed when a permitted packet has arrived
	delay    time.Duration // from the first permitted packet until then
}

// newcomerHosts are the addresses of newcomers, by turns, so that an address comes back only after a while.
const newcomerHosts = 60

func (n *newcomer) pod() sandbox.Pod {
	node, host := 1+n.number%2, 160+n.number/2%newcomerHosts
	return sandbox.Pod{Name: fmt.Sprintf("%s/new%d", shop, n.number), Node: nodeName(node), Addrs: addrs(node, host)}
}

func (n *newcomer) file() string { return fmt.Sprintf("new-%d.yaml", n.number) }

// arrive makes the pod, which says nothing yet.
func (n *newcomer) arrive() error {
	if err := n.scene.AddPod(n.pod()); err != nil {
		return err
	}
	n.answered = make(chan struct{})
	return n.scene.InPod(n.pod().Name, func() (err error) {
		for family := range n.forbid {
			if n.forbid[family], err = dialServer("vault", family); err != nil {
				return err
			}
		}
		n.permit, err = dialServer("hall", n.number/2%2)
		return err
	})
}

func dialServer(actor string, family int) (net.Conn, error) {
	return net.Dial("udp", net.JoinHostPort(hallOrVault(actor).Addrs[family].String(), servicePort))
}

// act has it send what is forbidden as its first act, then lets the manifests tell of it, and goes on with both
// until something permitted has arrived, and a little longer.
func (n *newcomer) act() error {
	for range 20 {
		n.sendForbidden()
	}
	if err := n.scene.folder.put(n.file(), podManifest(n.pod(), "app", "newcomer")); err != nil {
		return err
	}
	began := time.Now()
	go n.listen(began)
	for after := 20; after > 0; time.Sleep(time.Millisecond) {
		_, _ = n.permit.Write(numbered("hall", 0, false))
		n.sendForbidden()
		select {
		case <-n.answered:
			after--
		default:
		}
		if time.Since(began) > patience {
			return fmt.Errorf("pod %s: nothing that is permitted has arrived for %v", n.pod().Name, patience)
		}
	}
	return nil
}

func (n *newcomer) sendForbidden() {
	for family, conn := range n.forbid {
		_, _ = conn.Write(numbered(n.flow, n.number<<20|n.sent<<1|family, true))
	}
	n.sent++
}

// listen waits for the first answer; what an ICMP error says is none.
func (n *newcomer) listen(began time.Time) {
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

// leave ends the pod.
func (n *newcomer) leave() error {
	for _, conn := range []net.Conn{n.forbid[0], n.forbid[1], n.permit} {
		if conn != nil {
			_ = conn.Close()
		}
	}
	return errors.Join(n.scene.folder.drop(n.file()), n.scene.DeletePod(n.pod().Name))
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
