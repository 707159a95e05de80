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

// Arrival is what a server knows of a flow.
type Arrival struct {
	Received int           // packets, each counted once
	Repeated int           // packets that came again
	Highest  uint64        // number: as many as it is above Received are missing, or on their way
	Hole     time.Duration // the longest time between two of them
	last     time.Time
	numbers  map[uint64]bool
}

// ledger is what has arrived, by flow.
type ledger struct {
	mu    sync.Mutex // guards flows: every port has a goroutine of its own
	flows map[string]*Arrival
}

func (l *ledger) note(p packet, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.flows[p.Flow]
	if a == nil {
		a = &Arrival{last: at, numbers: map[uint64]bool{}}
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

func (l *ledger) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = json.NewEncoder(w).Encode(Told{l.flows, overflowed()})
}

// Told is what a server says.
type Told struct {
	Flows      map[string]*Arrival
	Overflowed int // datagrams that reached this pod when a socket had no room for them
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

// telling is the address on which a server is asked what has arrived.
const telling = "127.0.0.1:7999"

// told asks the server of this pod.
func told(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("told: %q; expected no arguments", args[0])
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+telling, nil)
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
	l := &ledger{flows: map[string]*Arrival{}}
	failed := make(chan error, 1)
	for _, port := range strings.FieldsFunc(*tcp, comma) {
		go func() { failed <- l.serveTCP(port) }()
	}
	for _, port := range strings.FieldsFunc(*udp, comma) {
		go func() { failed <- l.serveUDP(port) }()
	}
	go func() { failed <- http.ListenAndServe(telling, l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func comma(r rune) bool { return r == ',' }

// serveUDP sends every datagram back.
func (l *ledger) serveUDP(port string) error {
	conn, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	_ = conn.(*net.UDPConn).SetReadBuffer(4 << 20) // so that a slow moment of this program loses nothing
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

// serveTCP sends back what each connection says. An HTTP GET gets an answer too, for kubelets.
func (l *ledger) serveTCP(port string) error {
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

func (l *ledger) answer(conn net.Conn) {
	defer conn.Close()
	data := make([]byte, packetSize)
	for patience := 5 * time.Second; ; patience = heldFor {
		_ = conn.SetDeadline(time.Now().Add(patience))
		n, err := io.ReadFull(conn, data)
		switch {
		case strings.HasPrefix(string(data[:n]), "GET "):
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
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

// heldFor is how long a connection may be silent between packets.
const heldFor = time.Minute
