package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Headers of each answer of an agent. They say who answers, whatever is asked.
const (
	APIHeader     = "Picket-Api"
	VersionHeader = "Picket-Version"
)

// thisNode stands for the name of the node on which the question is asked, and patienceHere is the
// Patience of its client: there is no flag for it.
const (
	thisNode     = "this node"
	patienceHere = 30 * time.Second
)

// Client asks one agent.
type Client struct {
	Node    string // whose agent it is; thisNode: the one that runs here
	Version string // of this program: both are told where they do not understand each other
	// Patience is how long one answer that is read as a whole may take; 0: as long as ctx.
	Patience time.Duration
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
	in := &io.LimitedReader{R: conn, N: largestHeader}
	response, err := http.ReadResponse(bufio.NewReader(in), request)
	if err != nil {
		return nil, err
	}
	in.N = math.MaxInt64 // whoever reads the body bounds it
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

// What bounds an answer: its header, all that is kept of it in memory, and one line of one that goes
// on.
const (
	largestHeader = 64 << 10
	largest       = 256 << 20
	longestLine   = 64 << 10
)

// limited is a context in which one answer that is read as a whole has its time.
func (c Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Patience == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.Patience)
}

// Lines reads an answer of a JSON document a line, until it ends.
func Lines[T any](ctx context.Context, c Client, path string, do func(T)) error {
	body, err := c.Open(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longestLine)
	for err == nil && lines.Scan() {
		var one T
		if err = json.Unmarshal(lines.Bytes(), &one); err == nil {
			do(one)
		}
	}
	if err = errors.Join(err, lines.Err()); err != nil {
		return fmt.Errorf("the answer of the agent of %s: %w", c.Node, err)
	}
	return nil
}

// Ask reads the answer to a path as one JSON document.
func Ask[T any](ctx context.Context, c Client, path string) (value T, err error) {
	ctx, stop := c.limited(ctx)
	defer stop()
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
	state, err := Ask[State](ctx, c, StatePath)
	if err == nil {
		err = errors.Join(c.isOf(state.Node), state.Check())
	}
	if err != nil {
		return nil, err
	}
	return &state, nil
}

// Status asks for what the agent says of itself; about is the one policy that it is to be about, if
// any.
func (c Client) Status(ctx context.Context, about string) (*Status, error) {
	path := StatusPath
	if about != "" {
		path += "?" + url.Values{PolicyQuery: {about}}.Encode()
	}
	status, err := Ask[Status](ctx, c, path)
	if err == nil {
		err = c.isOf(status.Node)
	}
	if err != nil {
		return nil, err
	}
	return &status, nil
}

// isOf returns an error if an agent answers for another node than its own: its answer would be taken
// for that of the other.
func (c Client) isOf(node string) error {
	if c.Node == node || c.Node == thisNode && node != "" {
		return nil
	}
	return fmt.Errorf("the agent of %s answers for the node %q", c.Node, node)
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
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			// The time of each begins here: one that is dead takes none from those behind it.
			ctx, stop := c.limited(ctx)
			defer stop()
			value, err := ask(ctx, c)
			answers[i] = Answer[T]{c.Node, value, err}
		})
	}
	running.Wait()
	return answers
}

// atOnce is how many agents are asked at the same time.
const atOnce = 32
