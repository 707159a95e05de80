//go:build linux

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// newRelayCmd is the verb that the command line runs in an agent's pod to ask the agent.
func newRelayCmd() *cobra.Command {
	return &cobra.Command{
		Use:    agent.RelayVerb,
		Short:  "Connect the standard input and output with the socket of this node's agent",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return relay(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// relay ends when the agent has answered, or when nobody is at the other end of the input any more.
func relay(ctx context.Context, in io.Reader, out io.Writer) error {
	conn, err := agent.DialHere(ctx)
	if err != nil {
		return fmt.Errorf("ask the agent of this node: %w", err)
	}
	// Who asks keeps the input open until it has the answer.
	left := make(chan struct{})
	go func() {
		_, _ = io.Copy(conn, in)
		close(left)
		_ = conn.Close()
	}()
	// The agent closes the connection at the end of its answer.
	_, err = io.Copy(out, conn)
	select {
	case <-left:
		return nil // the connection was closed here
	default:
		return err
	}
}
