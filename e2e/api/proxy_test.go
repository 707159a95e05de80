package api

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is the only way from a node to the API server: it listens on the node and speaks to the server from
// the server's own machine.
type proxy struct {
	listen func() (net.Listener, error)
	dial   func() (net.Conn, error)

	mu       sync.Mutex   // guards the fields below
	listener net.Listener // nil while the server is away
	conns    map[net.Conn]bool
}

const proxyAddr = "127.0.0.1:6443"

func newProxy(t *testing.T, w *world, node string) *proxy {
	t.Helper()
	dial := dialer(w.host, controlPlane)
	p := &proxy{
		conns: map[net.Conn]bool{},
		dial:  func() (net.Conn, error) { return dial(context.Background(), "tcp", serverAddr) },
		listen: func() (l net.Listener, err error) {
			inside := w.cluster.InNode(node, func() error {
				l, err = net.Listen("tcp", proxyAddr)
				return err
			})
			return l, inside
		},
	}
	p.back(t)
	t.Cleanup(p.away)
	return p
}

// back makes the server reachable, if it is not.
func (p *proxy) back(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	l, err := p.listen()
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	go p.serve(l)
}

// away cuts all connections and refuses new ones.
func (p *proxy) away() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.cut()
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	clear(p.conns)
}

func (p *proxy) serve(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go p.join(near, l)
	}
}

// join carries bytes both ways until one end closes.
func (p *proxy) join(near net.Conn, through net.Listener) {
	defer near.Close()
	far, err := p.dial()
	if err != nil {
		return
	}
	defer far.Close()
	if !p.note(through, near, far) {
		return
	}
	defer p.forget(near, far)
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_, _ = pair[0].Close(), pair[1].Close()
		})
	}
	both.Wait()
}

// note registers connections, unless what they came through was closed meanwhile.
func (p *proxy) note(through net.Listener, conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != through {
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return true
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}
