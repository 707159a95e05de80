//go:build linux

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/nft"
)

// newCleanupCmd is the verb that removes the tables of Picket from the kernel. The agent leaves
// them behind when it ends, so that policies hold while it is restarted.
func newCleanupCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Remove everything that the agent left in this node's kernel, and nothing else",
		Long: `Remove the nftables tables inet picket and bridge picket, and the chains of iptables and the ipsets of Picket
where the programs of both are there. From then on no policy is enforced on this node.
Stop the agent first: while it runs, this is refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// While an agent runs this fails and changes nothing. Where it cannot be known whether
			// one does, none can run either.
			lock := &nft.Lock{}
			if err := lock.Take(); errors.Is(err, nft.ErrHeld) {
				return errors.New("cleanup: an agent runs on this node; stop it first")
			}
			removed, err := cleanupNFTables(lock)
			if err != nil {
				return fmt.Errorf("cleanup: %w", err)
			}
			chains, err := cleanupIPTables(cmd.Context())
			if err != nil {
				return fmt.Errorf("cleanup: %w", err)
			}
			// A node without tables is as it should be, so this is no error.
			done := "nothing to remove: there is no table of Picket"
			switch {
			case chains:
				done = "removed the chains and sets of Picket"
			case removed:
				done = "removed the tables of Picket"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
			return err
		},
	}
}
