package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FlowCount is what a server has counted of a flow.
type FlowCount struct {
	Received int           // packets, each counted once
	Repeated int           // packets that came again
	Highest  uint64        // number: as many as it is above Received are missing, or on their way
	Hole     time.Duration // the longest time between two of them
	last     time.Time
	numbers  map[uint64]bool
}

// counter counts what has arrived, by flow.
type counter struct {
	mu    sync.Mutex // guards flows: every port has a goroutine of its own
	flows map[string]*FlowCount
}

func (l *counter) note(p packet, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.flows[p.Flow]
	if a == nil {
		a = &FlowCount{last: at, numbers: map[uint64]bool{}}
		l.flows[p.Flow] = a
	}
	if a.numbers[p.Number] {
		a.Repeated++
		return
	}
	a.numbers[p.Number] = true
	a.Received++
	a.Highest = max(a.Highest, p.Number)
	a.Hole = max(a.Hole, at.Sub(a.last))
	a.last = at
}

func (l *counter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = json.NewEncoder(w).Encode(Counts{l.flows, overflowed(), unread()})
}

// Counts is what the verb told prints.
type Counts struct {
	Flows      map[string]*FlowCount
	Overflowed int // datagrams that reached this pod when a socket had no room for them
	Unread     int // bytes that wait in this pod's sockets, and connections that wait to be accepted
}

// overflowed sums up RcvbufErrors of UDP in this network namespace, from /proc/net/snmp and snmp6.
func overflowed() (count int) {
	six, _ := os.ReadFile("/proc/net/snmp6")
	for line := range strings.Lines(string(six)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "Udp6RcvbufErrors" {
			n, _ := strconv.Atoi(fields[1])
			count += n
		}
	}
	four, _ := os.ReadFile("/proc/net/snmp")
	var header []string
	for line := range strings.Lines(string(four)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if i := slices.Index(header, "RcvbufErrors"); i > 0 && i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			count += n
		}
		header = fields
	}
	return count
}

// unread sums up the queues of all sockets in this network namespace, from /proc/net/udp and its
// like. That of a listening socket is of connections.
func unread() (count int) {
	for _, name := range []string{"udp", "udp6", "tcp", "tcp6"} {
		data, _ := os.ReadFile("/proc/net/" + name)
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 4 {
				_, queue, _ := strings.Cut(fields[4], ":")
				n, _ := strconv.ParseInt(queue, 16, 64)
				count += int(n)
			}
		}
	}
	return count
}

// countsAddr is the address at which a server answers what has arrived.
const countsAddr = "127.0.0.1:7999"

// printCounts asks the server of this pod and prints its answer.
func printCounts(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("told: %q; expected no arguments", args[0])
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+countsAddr, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

// serve listens on the ports, on both families.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	tcp := flags.String("tcp", "", "TCP ports, separated by commas")
	udp := flags.String("udp", "", "UDP ports, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l := &counter{flows: map[string]*FlowCount{}}
	failed := make(chan error, 1)
	for _, port := range strings.FieldsFunc(*tcp, comma) {
		go func() { failed <- l.serveTCP(port) }()
	}
	for _, port := range strings.FieldsFunc(*udp, comma) {
		go func() { failed <- l.serveUDP(port) }()
	}
	go func() { failed <- http.ListenAndServe(countsAddr, l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func comma(r rune) bool { return r == ',' }

// serveUDP sends every datagram back.
func (l *counter) serveUDP(port string) error {
	conn, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	// so that nothing is lost while this program is slow
	_ = conn.(*net.UDPConn).SetReadBuffer(4 << 20)
	data := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(data)
		if err != nil {
			return err
		}
		p, err := decode(data[:n])
		if err == nil {
			l.note(p, time.Now())
		}
		if !p.Quiet {
			_, _ = conn.WriteTo(data[:n], from)
		}
	}
}

// serveTCP sends back what each connection sends. An HTTP GET gets an answer too, for kubelets.
func (l *counter) serveTCP(port string) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go l.answer(conn)
	}
}

func (l *counter) answer(conn net.Conn) {
	defer conn.Close()
	data := make([]byte, packetSize)
	for patience := 5 * time.Second; ; patience = idleTimeout {
		_ = conn.SetDeadline(time.Now().Add(patience))
		n, err := io.ReadFull(conn, data)
		switch {
		case strings.HasPrefix(string(data[:n]), "GET "):
			fmt.Fprint(conn,
				"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
			_, _ = io.Copy(io.Discard, conn)
			return
		case errors.Is(err, io.ErrUnexpectedEOF):
			_, _ = conn.Write(data[:n])
			return
		case err != nil:
			return
		}
		if p, err := decode(data); err == nil {
			l.note(p, time.Now())
		}
		if _, err := conn.Write(data); err != nil {
			return
		}
	}
}

// idleTimeout is how long a connection may be silent between packets.
const idleTimeout = time.Minute
