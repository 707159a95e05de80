package main

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// dataPlane is a node with two of its pods on one bridge, and rules between them.
type dataPlane struct {
	*sandbox.Cluster
	conn   net.Conn // of the client, to the server's port
	server net.PacketConn
	port   int
}

const (
	planeNode   = "n1"
	planeSpace  = "plane"
	planeClient = planeSpace + "/client"
	planeServer = planeSpace + "/server"
	firstPort   = 5000
)

var (
	planeNodeAddr = netip.MustParseAddr("192.0.2.11")
	clientAddr    = netip.MustParseAddr("10.244.1.2")
	serverAddr    = netip.MustParseAddr("10.244.1.3")
)

// newDataPlane makes the node and its pods, loads the rules and opens the sockets.
func newDataPlane(port int, loads []ruleLoad) (_ *dataPlane, err error) {
	cluster, err := sandbox.New([]sandbox.Node{{
		Name: planeNode, Addrs: []netip.Addr{planeNodeAddr},
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
	}})
	if err != nil {
		return nil, err
	}
	p := &dataPlane{Cluster: cluster, port: port}
	pods := map[string]netip.Addr{planeClient: clientAddr, planeServer: serverAddr}
	for name, addr := range pods {
		pod := sandbox.Pod{Name: name, Node: planeNode, Addrs: []netip.Addr{addr}}
		if err := p.AddPod(pod); err != nil {
			return nil, err
		}
	}
	for _, l := range loads {
		if err := p.InNode(planeNode, l.run); err != nil {
			return nil, err
		}
	}
	return p, p.dial()
}

// dial opens the client's socket. The server's is never read: it is full soon, and what comes then
// is dropped behind everything that is measured.
func (p *dataPlane) dial() error {
	err := p.InPod(planeServer, func() (err error) {
		p.server, err = net.ListenPacket("udp4", fmt.Sprintf(":%d", p.port))
		return err
	})
	if err != nil {
		return err
	}
	return p.InPod(planeClient, func() (err error) {
		p.conn, err = net.Dial("udp4", netip.AddrPortFrom(serverAddr, uint16(p.port)).String())
		return err
	})
}

// send returns what one packet takes, of n sent one after the other: veth, bridge and forward hook
// run within the system call that sends it.
func (p *dataPlane) send(n int) (samples, error) {
	took, err := timed(func() error {
		for range n {
			if _, err := p.conn.Write([]byte("x")); err != nil {
				return err
			}
		}
		return nil
	})
	return samples{took / time.Duration(n)}, err
}

// answer has the server answer once, so that conntrack takes the flow for established.
func (p *dataPlane) answer() error {
	if _, err := p.conn.Write([]byte("x")); err != nil {
		return err
	}
	buffer := make([]byte, 1)
	_, client, err := p.server.ReadFrom(buffer)
	if err != nil {
		return err
	}
	if _, err := p.server.WriteTo(buffer, client); err != nil {
		return err
	}
	_, err = p.conn.Read(buffer)
	return err
}

// connect returns how long n connections took to be there, each.
func (p *dataPlane) connect(n int) (all samples, err error) {
	to := netip.AddrPortFrom(serverAddr, uint16(p.port)).String()
	err = p.InPod(planeClient, func() error {
		for range n {
			var conn net.Conn
			took, err := timed(func() (err error) {
				conn, err = net.Dial("tcp4", to)
				return err
			})
			if err != nil {
				return err
			}
			_ = conn.(*net.TCPConn).SetLinger(0) // no ports are used up by closed connections
			_ = conn.Close()
			all = append(all, took)
		}
		return nil
	})
	return all, err
}

// accept lets the server take connections in.
func (p *dataPlane) accept() error {
	return p.InPod(planeServer, func() error {
		listener, err := net.Listen("tcp4", fmt.Sprintf(":%d", p.port))
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		return nil
	})
}
