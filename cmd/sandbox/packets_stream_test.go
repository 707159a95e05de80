package sandbox_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// stream is a connection that stays open: one end, the talker, sends a number every few
// milliseconds, the other counts what arrives. Whoever talks, the client opens it; over UDP with
// one datagram, which is all that it ever says if it is the server that talks.
type stream struct {
	client, server string
	to             netip.AddrPort
	// what the client connects to instead of the server's address; may be invalid
	through     netip.Addr
	proto       ruleset.Protocol
	serverTalks bool
	// a datagram goes back first, so that conntrack takes it for a connection
	answered bool
	slow     bool         // a tenth as often, for kernels that are slow to run
	heard    atomic.Int64 // numbers that arrived
	lost     atomic.Int64 // numbers below the highest that did not
	last     atomic.Int64 // when one arrived, in nanoseconds since 1970
	ends     [2]io.Closer
}

var beat = speed.Limit(3 * time.Millisecond)

func (s *stream) String() string {
	talker := "client"
	if s.serverTalks {
		talker = "server"
	}
	return fmt.Sprintf("%s > %s %s %s, the %s talks", s.client, s.server, s.proto, s.to, talker)
}

// openStreams opens one for every protocol, family and talker.
func (r *rig) openStreams(client, server string, firstPort uint16) []*stream {
	r.t.Helper()
	streams := r.newStreams(client, server, firstPort)
	if sandbox.SCTP.Supported() == nil {
		r.keepAssociations(client, server)
		streams = append(streams,
			r.newStreams(client, server, firstPort+uint16(len(streams)), ruleset.SCTP)...)
	}
	r.openAll(streams)
	return streams
}

// keepAssociations has pods send for hours what nobody answers, every two seconds. SCTP by itself gives
// up after five minutes, which a slow machine takes for less.
func (r *rig) keepAssociations(pods ...string) {
	r.t.Helper()
	for _, pod := range pods {
		r.must(r.InPod(pod, func() error {
			return errors.Join(os.WriteFile("/proc/sys/net/sctp/rto_max", []byte("2000"), 0),
				os.WriteFile("/proc/sys/net/sctp/association_max_retrans", []byte("10000"), 0))
		}))
	}
}

func (r *rig) openAll(streams []*stream) {
	r.t.Helper()
	for _, s := range streams {
		r.must(s.open(r))
		r.t.Cleanup(s.close)
	}
}

// newStreams makes streams of some protocols, of TCP and UDP where none is named, without opening
// them.
func (r *rig) newStreams(
	client, server string, firstPort uint16, protocols ...ruleset.Protocol,
) (streams []*stream) {
	if len(protocols) == 0 {
		protocols = []ruleset.Protocol{ruleset.TCP, ruleset.UDP}
	}
	for _, addr := range r.pods[server].Addrs {
		for _, proto := range protocols {
			for _, serverTalks := range []bool{false, true} {
				s := &stream{
					client: client, server: server, proto: proto, serverTalks: serverTalks,
					to: netip.AddrPortFrom(addr, firstPort+uint16(len(streams))),
				}
				streams = append(streams, s)
			}
		}
	}
	return streams
}

func (s *stream) open(r *rig) error {
	accept, err := s.serve(r)
	if err != nil {
		return err
	}
	to := s.to
	if s.through.IsValid() {
		to = netip.AddrPortFrom(s.through, to.Port())
	}
	var client net.Conn
	err = r.InPod(s.client, func() (err error) {
		if s.proto == ruleset.SCTP {
			client, err = dialSCTP(to)
			return err
		}
		client, err = (&net.Dialer{Timeout: patience, KeepAlive: -1}).Dial(s.proto.String(),
			to.String())
		return err
	})
	if err == nil && s.proto == ruleset.UDP {
		_, err = client.Write(make([]byte, 8))
	}
	if err != nil {
		return err
	}
	server, err := accept()
	if err != nil {
		return err
	}
	s.ends = [2]io.Closer{client, server}
	if s.answered && s.proto == ruleset.UDP && !s.serverTalks {
		if _, err := server.Write(make([]byte, 8)); err != nil {
			return err
		}
	}
	if s.serverTalks {
		go s.talk(server)
		go s.hear(client)
	} else {
		go s.talk(client)
		go s.hear(server)
	}
	return nil
}

func (s *stream) close() {
	for _, end := range s.ends {
		if end != nil {
			end.Close()
		}
	}
}

// serve listens; accept returns the server's end once the client has opened the connection.
func (s *stream) serve(r *rig) (accept func() (net.Conn, error), err error) {
	var listener net.Listener
	var packets net.PacketConn
	err = r.InPod(s.server, func() (err error) {
		switch s.proto {
		case ruleset.TCP:
			listener, err = (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp",
				s.to.String())
		case ruleset.SCTP:
			listener, err = sandbox.ListenSCTP(s.to)
		default:
			packets, err = net.ListenPacket("udp", s.to.String())
		}
		return err
	})
	if s.proto != ruleset.UDP {
		return func() (net.Conn, error) {
			defer listener.Close()
			return listener.Accept()
		}, err
	}
	return func() (net.Conn, error) {
		_, client, err := packets.ReadFrom(make([]byte, 8))
		return peer{packets.(*net.UDPConn), client}, err
	}, err
}

// dialSCTP opens a connection with one stream. Package net knows no SCTP, but takes the socket.
func dialSCTP(to netip.AddrPort) (net.Conn, error) {
	domain := unix.AF_INET6
	var server unix.Sockaddr = &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	if to.Addr().Is4() {
		domain = unix.AF_INET
		server = &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "sctp")
	defer file.Close()
	if err := unix.Connect(fd, server); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

// peer is the server's end of a UDP stream: its socket, which is not connected, and whom it talks
// to.
type peer struct {
	*net.UDPConn
	client net.Addr
}

func (p peer) Write(b []byte) (int, error) { return p.WriteTo(b, p.client) }

// talk goes on through errors: a UDP socket reports ICMP messages, too.
func (s *stream) talk(to net.Conn) {
	pause := beat
	if s.slow {
		pause *= 10
	}
	for number := uint64(1); ; number++ {
		if _, err := to.Write(binary.BigEndian.AppendUint64(nil, number)); errors.Is(err,
			net.ErrClosed) {
			return
		}
		time.Sleep(pause)
	}
}

func (s *stream) hear(from net.Conn) {
	reader := bufio.NewReaderSize(from, 1<<16) // a datagram is as long as a number
	var message [8]byte
	highest := uint64(0)
	for {
		if _, err := io.ReadFull(reader, message[:]); errors.Is(err, net.ErrClosed) ||
			errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			time.Sleep(beat)
			continue
		}
		s.heard.Add(1)
		s.last.Store(time.Now().UnixNano())
		if number := binary.BigEndian.Uint64(message[:]); number > highest {
			s.lost.Add(int64(number - highest - 1))
			highest = number
		} else {
			s.lost.Add(-1)
		}
	}
}
