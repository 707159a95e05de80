package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Serve makes a pod answer with its name on every address that it has: over TCP
// and SCTP as a line, after which it closes; over UDP as a line in front of what was
// sent. It goes on until the pod goes. Serving again what is served does nothing.
func (c *Cluster) Serve(name string, proto Protocol, port uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.pod(name)
	if err != nil {
		return err
	}
	e := endpoint{proto, port}
	if p.serving[e] {
		return nil
	}
	servers, err := p.listen(e)
	if err != nil {
		err = errors.Join(err, servers.closeAll())
		return fmt.Errorf("serve %s %d in pod %s: %w", proto, port, name, err)
	}
	p.serving[e] = true
	p.closers = append(p.closers, servers...)
	return nil
}

// listen opens a socket per address, so that an answer leaves from the address
// that was asked. It returns what it opened even when it fails.
func (p *pod) listen(e endpoint) (servers closers, err error) {
	err = p.ns.Do(func() error {
		for _, a := range p.listenAddrs() {
			s, err := e.listen(netip.AddrPortFrom(a, e.Port), []byte(p.Name+"\n"))
			if err != nil {
				return err
			}
			servers = append(servers, s)
		}
		return nil
	})
	return servers, err
}

// listen starts one server. It runs in the pod's namespace; what it starts need not,
// since a socket stays in the namespace that it was made in.
func (e endpoint) listen(at netip.AddrPort, banner []byte) (io.Closer, error) {
	switch e.Protocol {
	case TCP:
		config := net.ListenConfig{KeepAlive: -1}
		l, err := config.Listen(context.Background(), "tcp", at.String())
		if err != nil {
			return nil, err
		}
		return startServer(l, func() error { return sendBanner(l, banner) }), nil
	case SCTP:
		l, err := ListenSCTP(at)
		if err != nil {
			return nil, err
		}
		return startServer(l, func() error { return sendBanner(l, banner) }), nil
	case UDP:
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		buffer := append(banner, make([]byte, maxPayload)...)
		return startServer(conn, func() error { return echo(conn, buffer, len(banner)) }), nil
	}
	return nil, fmt.Errorf("cannot serve %s", e.Protocol)
}

// ListenSCTP opens a listener of connections with one stream each, in the namespace of the calling
// thread. Package net knows no SCTP, but takes any socket that accepts connections.
func ListenSCTP(at netip.AddrPort) (net.Listener, error) {
	kind, number := SCTP.socket()
	domain := unix.AF_INET
	if at.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, number)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "sctp")
	defer file.Close()
	if err := unix.Bind(fd, sockaddr(at.Addr(), at.Port())); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	return net.FileListener(file)
}

// server repeats one step over a socket until the socket is closed.
type server struct {
	socket io.Closer
	done   chan struct{}
}

// startServer repeats a step in a goroutine of its own until the socket is closed.
func startServer(socket io.Closer, step func() error) *server {
	s := &server{socket: socket, done: make(chan struct{})}
	go s.run(step)
	return s
}

// run goes on after failures that pass, such as too many open files.
func (s *server) run(step func() error) {
	defer close(s.done)
	for {
		if err := step(); errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// Close returns once the goroutine is gone. It is never called twice on one server.
func (s *server) Close() error {
	err := s.socket.Close()
	<-s.done
	return err
}

// sendBanner closes in the ordinary way, so that the line surely arrives. The prober
// then resets the connection, which spares the server the TIME_WAIT state.
func sendBanner(l net.Listener, banner []byte) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	_, _ = conn.Write(banner) // a prober that is gone needs none
	return conn.Close()
}

// echo sends back what it got, behind the banner that the buffer begins with.
func echo(conn *net.UDPConn, buffer []byte, banner int) error {
	n, from, err := conn.ReadFromUDPAddrPort(buffer[banner:])
	if err != nil {
		return err
	}
	_, err = conn.WriteToUDPAddrPort(buffer[:banner+n], from)
	return err
}
