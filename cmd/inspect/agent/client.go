package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Headers of each answer of an agent. They say who answers, whatever is asked.
const (
	APIHeader     = "Picket-Api"
	VersionHeader = "Picket-Version"
)

// Client asks one agent.
type Client struct {
	Node    string // whose agent it is
	Version string // of this program: both are told where they do not understand each other
	// Dial connects to the agent's socket; the connection may end with ctx.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)
}

// Open asks for a path such as /v1/state, and returns the answer as it comes; whoever gets it closes
// it. An answer that goes on for ever ends with ctx.
func (c Client) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+path, nil)
	if err != nil {
		return nil, err
	}
	// Each question has a connection of its own, since each is another process in a pod.
	request.Close = true
	conn, err := c.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("the agent of %s: %w", c.Node, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	body, err := c.exchange(conn, request)
	if err != nil {
		stop()
		// At the end of ctx it is closed already, which says less than why.
		_ = conn.Close()
		return nil, fmt.Errorf("the agent of %s: %w", c.Node, orEnd(ctx, err))
	}
	return &answer{ReadCloser: body, conn: conn, stop: stop, ctx: ctx}, nil
}

// exchange sends a request, and returns the body of the answer.
func (c Client) exchange(conn io.ReadWriter, request *http.Request) (io.ReadCloser, error) {
	// There is no HTTP transport, which would keep and reuse what ends with the answer.
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, err
	}
	if err := c.refused(response); err != nil {
		return nil, err
	}
	return response.Body, nil
}

// refused returns an error for an answer that is none.
func (c Client) refused(response *http.Response) error {
	version := response.Header.Get(VersionHeader)
	api := response.Header.Get(APIHeader)
	switch {
	// An agent from before there was the header is known by its state.
	case api != "" && api != strconv.Itoa(API):
		return c.mismatch(version, api)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("it is of version %s and does not know %s, this program is of version %s; "+
			"use those of one version", orUnknown(version), response.Request.URL.Path, c.Version)
	case response.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(io.LimitReader(response.Body, 512))
		return fmt.Errorf("%s (%s)", strings.TrimSpace(string(text)), response.Status)
	}
	return nil
}

// mismatch is the error where two versions do not understand each other.
func (c Client) mismatch(version, api string) error {
	than := "newer"
	if n, err := strconv.Atoi(api); err == nil && n < API {
		than = "older"
	}
	return fmt.Errorf("it is %s than this program: version %s with interface %s, this is %s with %d; "+
		"use those of one version", than, orUnknown(version), api, c.Version, API)
}

// orUnknown is a version, or that it was not said.
func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// orEnd is the end of ctx, if that is why there was an error.
func orEnd(ctx context.Context, err error) error {
	switch end := context.Cause(ctx); {
	case end == nil:
		return err
	case errors.Is(end, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", end)
	default:
		return end
	}
}

// answer is a body with what was opened for it.
type answer struct {
	io.ReadCloser
	conn io.Closer
	stop func() bool
	ctx  context.Context
}

// Read says of an answer that was broken off by ctx that it was.
func (a *answer) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = orEnd(a.ctx, err)
	}
	return n, err
}

// Close closes the connection: what was not read would keep the body from being closed.
func (a *answer) Close() error {
	if !a.stop() {
		return nil // it was closed at the end of ctx
	}
	return a.conn.Close()
}

// largest bounds an answer that is kept in memory.
const largest = 256 << 20

// Ask reads the answer to a path as one JSON document.
func Ask[T any](ctx context.Context, c Client, path string) (value T, err error) {
	body, err := c.Open(ctx, path)
	if err != nil {
		return value, err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, largest)).Decode(&value); err != nil {
		return value, fmt.Errorf("the answer of the agent of %s to %s: %w", c.Node, path, err)
	}
	return value, nil
}

// State asks for the state of the node.
func (c Client) State(ctx context.Context) (*State, error) {
	state, err := Ask[*State](ctx, c, StatePath)
	if err != nil {
		return nil, err
	}
	return state, state.Check()
}

// Answer is what one of several agents has said, or why it has not.
type Answer[T any] struct {
	Node  string
	Value T
	Err   error
}

// Each asks all agents, some at a time, and returns the answers in their order.
func Each[T any](
	ctx context.Context, all []Client, ask func(context.Context, Client) (T, error),
) []Answer[T] {
	answers := make([]Answer[T], len(all))
	places := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, c := range all {
		// Who comes later waits, and has the less time.
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			value, err := ask(ctx, c)
			answers[i] = Answer[T]{c.Node, value, err}
		})
	}
	running.Wait()
	return answers
}

// atOnce is how many agents are asked at the same time.
const atOnce = 32
