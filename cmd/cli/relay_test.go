//go:build linux

package cli

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// Through the relay an agent is asked as it is on the node, and the relay ends with who asks.
func TestRelay(t *testing.T) {
	here, _ := thousandsHere(t)
	ended := make(chan error, 1)
	client := agent.Client{Node: "n1", Version: versionText(),
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			in, toRelay := io.Pipe()
			fromRelay, out := io.Pipe()
			go func() {
				err := here.Do(func() error { return relay(ctx, in, out) })
				_ = out.CloseWithError(err)
				ended <- err
			}()
			return pipes{fromRelay, toRelay}, nil
		}}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	state, err := client.State(ctx)
	if err != nil || state.Node != "n1" {
		t.Fatalf("%+v, %v", state, err)
	}
	// The client leaves when it has its answer.
	if err := <-ended; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the relay: %v", err)
	}
	status, err := client.Status(ctx, "")
	if err != nil || !status.Readiness.Ready || len(status.Policies) != 1 ||
		status.Policies[0].Policy != "default/p" || status.Policies[0].Since.IsZero() {
		t.Fatalf("%+v, %v", status, err)
	}
	if _, err := client.Open(ctx, "/v1/nothing"); err == nil {
		t.Error("a path that does not exist was answered")
	}
}

// pipes are the client's ends of a relay.
type pipes struct {
	*io.PipeReader
	*io.PipeWriter
}

// Close closes both.
func (p pipes) Close() error {
	_ = p.PipeReader.Close()
	return p.PipeWriter.Close()
}
