package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// clientOf asks a handler as an agent is asked.
func clientOf(t *testing.T, h http.HandlerFunc) Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return Client{Node: "n1", Version: "v2", Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
}

// What an agent of another version, without the path or with an error answers is told as such.
func TestClientSaysWhy(t *testing.T) {
	for what, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the loop hangs", http.StatusServiceUnavailable)
		}, "the agent of n1: the loop hangs (503"},
		"newer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(APIHeader, "7")
			w.Header().Set(VersionHeader, "v9")
		}, "it is newer than this program: version v9 with interface 7, this is v2 with 1"},
		"older": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(APIHeader, "0")
		}, "it is older than this program: version unknown with interface 0"},
		"without the path": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(VersionHeader, "v1")
			http.NotFound(w, r)
		}, "it is of version v1 and does not know /v1/state, this program is of version v2"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "good day")
		}, "the answer of the agent of n1 to /v1/state"},
	} {
		_, err := clientOf(t, test.answer).State(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; expected %q", what, err, test.want)
		}
	}
}

// An answer can go on for ever: its lines come as they are written, and it ends with the context.
func TestClientFollows(t *testing.T) {
	next, left := make(chan bool), make(chan bool)
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case <-next:
				fmt.Fprintln(w, "dropped")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				close(left)
				return
			}
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	go func() { next <- true }()
	body, err := c.Open(ctx, "/v1/drops?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(body)
	for i := range 3 {
		if i > 0 {
			next <- true
		}
		if !lines.Scan() || lines.Text() != "dropped" {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
	}
	stop()
	if lines.Scan() || !errors.Is(lines.Err(), context.Canceled) {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	<-left
}

// All are asked, in parallel, and the one that hangs only costs the time that there is.
func TestEach(t *testing.T) {
	slow := func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		return here, nil
	}
	good := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `"well"`) })
	all := []Client{good, {Node: "n2", Dial: slow}, good}
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	answers := Each(ctx, all, func(ctx context.Context, c Client) (string, error) {
		return Ask[string](ctx, c, "/v1/word")
	})
	if answers[0].Value != "well" || answers[2].Value != "well" || answers[0].Err != nil {
		t.Errorf("%+v", answers)
	}
	if !errors.Is(answers[1].Err, context.DeadlineExceeded) || answers[1].Node != "n2" {
		t.Errorf("%+v", answers[1])
	}
}
