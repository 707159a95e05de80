package api

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/picket-project/picket/e2e/apiserver"
)

// proxy connects a node to the API server: it listens on the node and dials the server from the
// server's own machine. It decodes what goes through, so that a fault can change it.
type proxy struct {
	t         *testing.T
	namespace string // of the world
	listen    func() (net.Listener, error)
	nft       func(script string) string // done on the node
	http      *http.Server
	cert      string       // and key, without their endings
	met       atomic.Int64 // what faults have done: connections, answers, events or packets
	delivered atomic.Int64 // watches whose events a fault delivers

	mu       sync.Mutex   // guards the fields below
	listener net.Listener // nil while the server is away
	conns    map[net.Conn]bool
	meddler  func(*http.Response) error // nil: answers go through as they are
}

const proxyAddr = "127.0.0.1:6443"

var silence = log.New(io.Discard, "", 0) // errors are what this is for

func newProxy(t *testing.T, w *testCluster, node string) *proxy {
	t.Helper()
	p := &proxy{
		t: t, namespace: w.namespace, conns: map[net.Conn]bool{}, cert: w.Path("certs/apiserver"),
		nft: func(script string) string {
			out, err := w.inNode(node, script, "nft", "-f", "-")
			if err != nil {
				t.Error(err)
			}
			return out
		},
		listen: func() (l net.Listener, err error) {
			inside := w.cluster.InNode(node, func() error {
				l, err = net.Listen("tcp", proxyAddr)
				return err
			})
			return l, inside
		},
	}
	beyond := &http.Transport{
		DialContext: w.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	p.http = &http.Server{Handler: p.handler(beyond), ConnState: p.track, ErrorLog: silence}
	p.back()
	t.Cleanup(beyond.CloseIdleConnections)
	t.Cleanup(func() { p.away() })
	return p
}

// handler asks the server. Where that cannot be asked, or says less than it promised, the agent
// sees a cut.
func (p *proxy) handler(beyond http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: apiserver.Addr})
			r.Out.Header.Del("Accept-Encoding") // a compressed answer could not be changed
		},
		Transport: beyond, FlushInterval: -1, ModifyResponse: p.change, ErrorLog: silence,
		ErrorHandler: func(http.ResponseWriter, *http.Request,
			error) {
			panic(http.ErrAbortHandler)
		},
	}
}

// back makes the server reachable, if it is not.
func (p *proxy) back() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	l, err := p.listen()
	if err != nil {
		p.t.Error(err)
		return
	}
	p.listener = l
	go func() { _ = p.http.ServeTLS(l, p.cert+".crt", p.cert+".key") }()
}

// away cuts all connections and refuses new ones.
func (p *proxy) away() int {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	return p.cut()
}

// cut resets all connections, and says how many.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
	defer clear(p.conns)
	return len(p.conns)
}

func reset(conn net.Conn) {
	tcp := conn.(*tls.Conn).NetConn().(*net.TCPConn)
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}

// track keeps a list of the connections. What was accepted just before the server went away is cut,
// too.
func (p *proxy) track(conn net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case state == http.StateNew && p.listener == nil:
		reset(conn)
	case state == http.StateNew:
		p.conns[conn] = true
	case state == http.StateClosed:
		delete(p.conns, conn)
	}
}

// changeAnswers sets what changes answers from now on; nil lets them through.
func (p *proxy) changeAnswers(m func(*http.Response) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meddler = m
}

func (p *proxy) change(r *http.Response) error {
	p.mu.Lock()
	m := p.meddler
	p.mu.Unlock()
	if m == nil {
		return nil
	}
	return m(r)
}
