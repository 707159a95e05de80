//go:build linux

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newCleanupCmd is the verb that removes the tables of Picket from the kernel. The agent leaves
// them behind when it ends, so that policies hold while it is restarted.
func newCleanupCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Remove everything that the agent left in this node's kernel, and nothing else",
		Long: `Remove the nftables tables inet picket and bridge picket, and the chains of iptables and the ipsets of Picket
where the programs of both are there. From then on no policy is enforced on this node.
Stop the agent first: while it runs, the kernel refuses this.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// While an agent runs that owns its tables, this fails and changes nothing.
			removed, err := cleanupNFTables(nil)
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
